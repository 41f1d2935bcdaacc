#include <fmt/core.h>

#include <algorithm>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"

namespace qwend::jinja {

namespace {

// Of dicts.

Value items(Call& call) {
    std::vector<Value> pairs;
    for (const Member& member : call[0].get<Dict>().members) {
        const Value pair[] = {member.key, member.value};
        pairs.push_back(make_sequence(call.work, Type::tuple, pair));
    }
    return make_sequence(call.work, Type::view, pairs, "dict_items");
}

Value keys(Call& call) {
    return make_sequence(call.work, Type::view, walk(call.work, call[0]), "dict_keys");
}

Value values(Call& call) {
    std::vector<Value> values;
    for (const Member& member : call[0].get<Dict>().members) values.push_back(member.value);
    return make_sequence(call.work, Type::view, values, "dict_values");
}

Value get(Call& call) {
    if (const Value* value = find(call.work, call[0].get<Dict>(), call[1])) return *value;
    return call.has(2) ? call[2] : Value::none();
}

Value copy(Call& call) {
    return call[0];
}

constexpr Builtin kDictMethods[] = {
    {"items", "_self", items},
    {"keys", "_self", keys},
    {"values", "_self", values},
    {"copy", "_self", copy},
    {"get", "_self _key _default?", get},
};

// Of lists, tuples and ranges.

Value index(Call& call) {
    const auto items = call[0].items();
    for (size_t i = 0; i < items.size(); i++)
        if (equals(call.work, items[i], call[1])) return Value::integer(int64_t(i));
    throw Failure{"the value is not in the list"};
}

Value count(Call& call) {
    const auto items = call[0].items();
    return Value::integer(std::count_if(items.begin(), items.end(), [&](const Value& item) {
        return equals(call.work, item, call[1]);
    }));
}

constexpr Builtin kSequenceMethods[] = {
    {"index", "_self _value", index},
    {"count", "_self _value", count},
    {"copy", "_self", copy},  // of lists only
};

// Of loops.

Value cycle(Call& call) {
    const auto& positional = call.all.positional;
    if (positional.size() < 2) throw Failure{"no items for cycling given"};
    const auto index0 = positional[0].get<LoopState>().index0;
    return positional[1 + size_t(index0) % (positional.size() - 1)];
}

Value changed(Call& call) {
    const auto& positional = call.all.positional;
    return call.interpreter.loop_changed(
        positional[0].mutable_<LoopState>(),
        make_sequence(call.work, Type::tuple, std::span(positional).subspan(1)));
}

constexpr Builtin kLoopMethods[] = {{"cycle", "*", cycle}, {"changed", "*", changed}};

constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kListMutators[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

}  // namespace

bool is_mutating_method(const Value& self, std::string_view name) {
    if (self.is_dict())
        return std::find(std::begin(kDictMutators), std::end(kDictMutators), name) !=
               std::end(kDictMutators);
    return self.is(Type::list) && std::find(std::begin(kListMutators), std::end(kListMutators),
                                            name) != std::end(kListMutators);
}

const Builtin* find_method(const Value& self, std::string_view name) {
    switch (self.type()) {
        case Type::string: {
            const Builtin* found = find_in(string_methods(), name);
            return found != nullptr ? found : find_in(search_methods(), name);
        }
        case Type::dict:
            return find_in(kDictMethods, name);
        case Type::list:
            return find_in(kSequenceMethods, name);
        case Type::tuple:
        case Type::range:
            return name == "copy" ? nullptr : find_in(kSequenceMethods, name);
        case Type::loop:
            return find_in(kLoopMethods, name);
        default:
            return nullptr;
    }
}

}  // namespace qwend::jinja
