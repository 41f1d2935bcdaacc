#include <fmt/core.h>

#include <functional>
#include <string>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/interpreter.h"

namespace qwend::jinja {

namespace {

/// What `fill` gives, as an iterator. What fails there does so when the iterator is walked over
/// that far, since Jinja's filters of this kind are lazy: nothing is asked of a value that is
/// false.
Value lazily(Call& call, const Value& from, const std::function<void(std::vector<Value>&)>& fill) {
    std::vector<Value> out;
    std::string_view failure;
    try {
        if (is_true(from)) fill(out);
    } catch (const Failure& failed) {
        call.work.step();  // a bound that was reached stays so
        failure = call.work.copy(std::string_view(failed.message));
    }
    return make_iterator(call.work, out, "generator", failure);
}

/// Takes the first of the positional arguments; fails if there is none.
Value take_first(Call& call, const char* what) {
    auto& positional = call.all.positional;
    if (positional.empty()) throw Failure{fmt::format("a {} is missing", what)};
    const Value first = positional.front();
    positional.erase(positional.begin());
    return first;
}

/// A filter or test by its name, with the arguments that are left over.
std::function<Value(const Value&)> prepare(Call& call, const Builtin* builtin, const char* what,
                                           std::string_view name) {
    if (builtin == nullptr) throw Failure{fmt::format("No {} named '{}'.", what, name)};
    return [&call, builtin](const Value& item) {
        Arguments arguments = call.all;
        arguments.positional.insert(arguments.positional.begin(), item);
        return invoke(call.interpreter, *builtin, arguments);
    };
}

/// What map() does with an element: map(attribute=…, default=…), or map(filter, arguments…).
std::function<Value(const Value&)> prepare_map(Call& call) {
    if (!call.all.positional.empty()) {
        const Value name = take_first(call, "filter");
        if (!name.is_string()) throw Failure{"map requires a filter's name"};
        return prepare(call, find_filter(name.bytes()), "filter", name.bytes());
    }
    Value attribute, otherwise;
    for (const auto& [keyword, value] : call.all.keywords) {
        if (keyword == "attribute")
            attribute = value;
        else if (keyword == "default")
            otherwise = value.is_none() ? Value() : value;
        else
            throw Failure{fmt::format("Unexpected keyword argument '{}'", keyword)};
    }
    if (!attribute.is_given()) throw Failure{"map requires a filter argument"};
    return [&call, attribute, otherwise](const Value& item) {
        return attribute_at(call, item, attribute, otherwise);
    };
}

Value map(Call& call) {
    const Value from = take_first(call, "value");
    return lazily(call, from, [&](std::vector<Value>& out) {
        const auto apply = prepare_map(call);
        for (const Value& item : walk(call.work, from)) out.push_back(apply(item));
    });
}

/// Keeps the elements that a test passes, or those that it does not; by an attribute or as they
/// are. Without a test it is whether they are true.
Value select_by(Call& call, bool by_attribute, bool keeps) {
    const Value from = take_first(call, "value");
    return lazily(call, from, [&](std::vector<Value>& out) {
        const Value attribute = by_attribute ? take_first(call, "attribute") : Value();
        std::function<Value(const Value&)> test = [](const Value& item) { return item; };
        if (!call.all.positional.empty()) {
            const Value name = take_first(call, "test");
            if (!name.is_string()) throw Failure{"expected a test's name"};
            test = prepare(call, find_test(name.bytes()), "test", name.bytes());
        }
        for (const Value& item : walk(call.work, from)) {
            const Value tested = by_attribute ? attribute_at(call, item, attribute, {}) : item;
            if (is_true(test(tested)) == keeps) out.push_back(item);
        }
    });
}

Value select(Call& call) {
    return select_by(call, false, true);
}
Value reject(Call& call) {
    return select_by(call, false, false);
}
Value selectattr(Call& call) {
    return select_by(call, true, true);
}
Value rejectattr(Call& call) {
    return select_by(call, true, false);
}

constexpr Builtin kFilters[] = {
    {"map", "*", map},
    {"select", "*", select},
    {"reject", "*", reject},
    {"selectattr", "*", selectattr},
    {"rejectattr", "*", rejectattr},
};

}  // namespace

std::span<const Builtin> selecting_filters() {
    return kFilters;
}

}  // namespace qwend::jinja
