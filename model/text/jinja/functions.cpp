#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <string>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

constexpr int64_t kMaxRange = 100'000;  // the sandbox's

Value range(Call& call) {
    int64_t start = 0, stop = call.integer(0, 0), step = call.integer(2, 1);
    for (size_t i = 0; i < 3; i++)
        if (call.has(i) && call[i].is_none())
            throw Failure{"'NoneType' object cannot be interpreted as an integer"};
    if (call.has(1)) {
        start = stop;
        stop = call.integer(1, 0);
    }
    if (step == 0) throw Failure{"range() arg 3 must not be zero"};
    std::vector<Value> items;
    for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
        if (int64_t(items.size()) == kMaxRange)
            throw Failure{
                fmt::format("Range too big. The sandbox blocks ranges larger than "
                            "MAX_RANGE ({}).",
                            kMaxRange)};
        items.push_back(Value::integer(i));
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    call.work.scan(items.size() * sizeof(Value));
    const std::string name = step == 1 ? fmt::format("range({}, {})", start, stop)
                                       : fmt::format("range({}, {}, {})", start, stop, step);
    return make_sequence(call.work, Type::range, items, call.work.copy(std::string_view(name)));
}

/// dict(mapping or pairs, key=value, …), and what namespace() begins with.
std::vector<Member> members_of(Call& call) {
    std::vector<Member> members;
    const auto& positional = call.all.positional;
    if (positional.size() > 1) throw Failure{"dict expected at most 1 argument"};
    if (positional.size() == 1) {
        if (positional[0].is_dict()) {
            const auto given = positional[0].get<Dict>().members;
            members.assign(given.begin(), given.end());
        } else {
            for (const Value& item : walk(call.work, positional[0])) {
                const auto pair = walk(call.work, item);
                if (pair.size() != 2)
                    throw Failure{"dictionary update sequence element has no length of 2"};
                members.push_back({pair[0], pair[1]});
            }
        }
    }
    for (const auto& [keyword, value] : call.all.keywords)
        members.push_back({make_ours(call.work, keyword), value});
    return members;
}

Value dict(Call& call) {
    return make_dict_value(call.work, members_of(call));
}

Value name_space(Call& call) {
    const Dict* dict = make_dict(call.work, members_of(call));
    return Value::of(Type::name_space, call.work.make<Namespace>(call.work.copy(dict->members)));
}

Value raise_exception(Call& call) {
    throw Failure{std::string(call.text(0).bytes), 0, true};
}

Value strftime_now(Call& call) {
    const std::string format(call.string(0).bytes);
    constexpr size_t kLongest = 4096;
    if (format.empty()) return make_ours(call.work, "");
    std::tm local{};
    const std::time_t now = call.interpreter.now();
    localtime_r(&now, &local);
    std::string text(kLongest, '\0');
    text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
    return make_data(call.work, text);
}

constexpr Builtin kFunctions[] = {
    {"range", "_start _stop? _step?", range}, {"dict", "*", dict},
    {"namespace", "*", name_space},           {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
};

}  // namespace

std::span<const Builtin> all_functions() {
    return kFunctions;
}

}  // namespace qwend::jinja
