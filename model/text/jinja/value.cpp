#include "model/text/jinja/value.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "model/text/jinja/compare.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

constexpr size_t kIndexedSize = 9;  // members from which on a search by halves pays

std::span<const Value> characters(Workspace& work, const Text& text) {
    work.take(text.bytes.size() * sizeof(Value));
    std::vector<Value> out;
    for (size_t at = 0; at < text.bytes.size();) {
        const size_t end = at + size_t(utf8_at(text.bytes, at).length);
        out.push_back(make_string(work, part_of(work, text, at, end)));
        at = end;
    }
    return work.copy(std::span<const Value>(out));
}

std::span<const Value> keys_of(Workspace& work, const Dict& dict) {
    std::vector<Value> keys;
    keys.reserve(dict.members.size());
    for (const Member& member : dict.members) keys.push_back(member.key);
    work.scan(keys.size() * sizeof(Value));
    return work.copy(std::span<const Value>(keys));
}

std::span<const Value> take_rest(Iterator& iterator) {
    const auto rest = iterator.items.subspan(iterator.position);
    iterator.position = iterator.items.size();
    if (!iterator.failure.empty()) {
        const std::string failure(iterator.failure);
        iterator.failure = {};
        throw Failure{failure};
    }
    return rest;
}

}  // namespace

Value make_string(Workspace& work, const Text& text) {
    return Value::of(Type::string, work.make<Text>(text));
}

Value make_ours(Workspace& work, std::string_view bytes) {
    const Range whole{0, bytes.size()};
    Text text{work.copy(bytes), {}, false};
    if (!bytes.empty()) text.ours = work.copy(std::span<const Range>(&whole, 1));
    return make_string(work, text);
}

Value make_data(Workspace& work, std::string_view bytes) {
    return make_string(work, {work.copy(bytes), {}, false});
}

Value make_sequence(Workspace& work, Type type, std::span<const Value> items,
                    std::string_view name) {
    return Value::of(type, work.make<Sequence>(work.copy(items), name));
}

Value make_iterator(Workspace& work, std::span<const Value> items, std::string_view type_name,
                    std::string_view failure) {
    return Value::of(Type::iterator,
                     work.make<Iterator>(work.copy(items), type_name, size_t(0), failure));
}

Value make_undefined(Workspace& work, std::string_view variable) {
    return Value::of(Type::undefined,
                     work.make<Undefined>(std::string_view(), std::string_view(), variable));
}

Value make_undefined_attribute(Workspace& work, const Value& owner, std::string_view name) {
    return Value::of(Type::undefined,
                     work.make<Undefined>(std::string_view(), type_name(owner), name));
}

Value make_undefined_because(Workspace& work, std::string_view message) {
    return Value::of(Type::undefined, work.make<Undefined>(work.copy(message), std::string_view(),
                                                           std::string_view()));
}

void fail_undefined(const Value& value) {
    const auto& what = value.get<Undefined>();
    if (!what.message.empty()) throw Failure{std::string(what.message)};
    if (what.owner.empty()) throw Failure{fmt::format("'{}' is undefined", what.name)};
    throw Failure{fmt::format("'{} object' has no attribute '{}'", what.owner, what.name)};
}

const Dict* make_dict(Workspace& work, std::vector<Member> members) {
    std::vector<uint32_t> order(members.size());
    std::iota(order.begin(), order.end(), 0u);
    auto compare = [&](uint32_t a, uint32_t b) {
        return compare_keys(work, members[a].key, members[b].key);
    };
    if (order.size() == 1) compare(0, 0);  // a key without a hash fails here too
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
        const int by_key = compare(a, b);
        return by_key < 0 || (by_key == 0 && a < b);
    });
    std::vector<bool> is_replaced(members.size());
    for (size_t i = 0; i < order.size();) {
        const uint32_t first = order[i];
        uint32_t last = first;
        for (i++; i < order.size() && compare(order[i], first) == 0; i++)
            is_replaced[last = order[i]] = true;
        members[first].value = members[last].value;
    }
    std::vector<uint32_t> place(members.size());
    std::vector<Member> kept;
    for (size_t i = 0; i < members.size(); i++) {
        place[i] = uint32_t(kept.size());
        if (!is_replaced[i]) kept.push_back(members[i]);
    }
    std::vector<uint32_t> by_key;
    if (kept.size() >= kIndexedSize)
        for (const uint32_t i : order)
            if (!is_replaced[i]) by_key.push_back(place[i]);
    return work.make<Dict>(work.copy(std::span<const Member>(kept)),
                           work.copy(std::span<const uint32_t>(by_key)));
}

Value make_dict_value(Workspace& work, std::vector<Member> members) {
    return Value::of(Type::dict, make_dict(work, std::move(members)));
}

const Value* find(Workspace& work, const Dict& dict, const Value& key) {
    if (key.is_string()) return find(dict, key.bytes());
    compare_keys(work, key, key);
    for (const Member& member : dict.members)
        if (compare_keys(work, member.key, key) == 0) return &member.value;
    return nullptr;
}

const Value* find(const Dict& dict, std::string_view key) {
    if (dict.by_key.empty()) {
        for (const Member& member : dict.members)
            if (member.key.is_string() && member.key.bytes() == key) return &member.value;
        return nullptr;
    }
    // Strings stand behind numbers and before tuples: compare_keys().
    const auto at = std::partition_point(dict.by_key.begin(), dict.by_key.end(), [&](uint32_t i) {
        const Value& other = dict.members[i].key;
        if (other.is_string()) return other.bytes() < key;
        return other.is_number() || other.is_none() || other.is_undefined();
    });
    if (at == dict.by_key.end()) return nullptr;
    const Member& member = dict.members[*at];
    return member.key.is_string() && member.key.bytes() == key ? &member.value : nullptr;
}

bool is_true(const Value& value) {
    switch (value.type()) {
        case Type::missing:
        case Type::undefined:
        case Type::none:
            return false;
        case Type::boolean:
        case Type::integer:
            return value.as_integer() != 0;
        case Type::real:
            return value.as_real() != 0;
        case Type::string:
            return !value.bytes().empty();
        case Type::list:
        case Type::tuple:
        case Type::range:
        case Type::view:
            return !value.items().empty();
        case Type::dict:
            return !value.get<Dict>().members.empty();
        default:
            return true;
    }
}

std::string_view type_name(const Value& value) {
    switch (value.type()) {
        case Type::missing:
        case Type::undefined:
            return "Undefined";
        case Type::none:
            return "NoneType";
        case Type::boolean:
            return "bool";
        case Type::integer:
        case Type::big_integer:
            return "int";
        case Type::real:
            return "float";
        case Type::string:
            return value.text().is_markup ? "Markup" : "str";
        case Type::list:
            return "list";
        case Type::tuple:
            return "tuple";
        case Type::range:
            return "range";
        case Type::view:
            return value.get<Sequence>().name;
        case Type::iterator:
            return value.get<Iterator>().type_name;
        case Type::dict:
            return "dict";
        case Type::name_space:
            return "Namespace";
        case Type::macro:
            return "Macro";
        case Type::function:
            return "function";
        case Type::method:
            return "builtin_function_or_method";
        case Type::loop:
            return "LoopContext";
    }
    return "object";
}

std::optional<std::span<const Value>> try_walk(Workspace& work, const Value& value) {
    switch (value.type()) {
        case Type::undefined:
            return std::span<const Value>();
        case Type::string:
            return characters(work, value.text());
        case Type::list:
        case Type::tuple:
        case Type::range:
        case Type::view:
            return value.items();
        case Type::iterator:
            return take_rest(value.mutable_<Iterator>());
        case Type::dict:
            return keys_of(work, value.get<Dict>());
        default:
            return std::nullopt;
    }
}

std::span<const Value> walk(Workspace& work, const Value& value) {
    const auto items = try_walk(work, value);
    if (!items) throw Failure{fmt::format("'{}' object is not iterable", type_name(value))};
    return *items;
}

std::optional<int64_t> length_of(Workspace& work, const Value& value) {
    switch (value.type()) {
        case Type::undefined:
            return 0;
        case Type::string:
            work.scan(value.bytes().size());
            return int64_t(count_chars(value.bytes()));
        case Type::list:
        case Type::tuple:
        case Type::range:
        case Type::view:
            return int64_t(value.items().size());
        case Type::dict:
            return int64_t(value.get<Dict>().members.size());
        default:
            return std::nullopt;
    }
}

}  // namespace qwend::jinja
