#include "model/text/jinja/builtins.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

/// Cuts a description of parameters into its words.
std::vector<std::string_view> split_words(std::string_view text) {
    std::vector<std::string_view> words;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(' ', at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

std::vector<Value> bind(const Builtin& builtin, Arguments& arguments) {
    const auto parameters = split_words(builtin.parameters);
    if (arguments.positional.size() > parameters.size())
        throw Failure{fmt::format("{}() takes at most {} arguments ({} given)", builtin.name,
                                  parameters.size(), arguments.positional.size())};
    std::vector<Value> bound(arguments.positional);
    bound.resize(parameters.size());
    for (const auto& argument : arguments.keywords) {
        const std::string_view keyword = argument.first;
        const auto at = std::find_if(parameters.begin(), parameters.end(), [&](auto parameter) {
            return parameter == keyword || (parameter.ends_with('?') &&
                                            parameter.substr(0, parameter.size() - 1) == keyword);
        });
        if (at == parameters.end() || keyword.starts_with('_'))
            throw Failure{
                fmt::format("{}() got an unexpected keyword argument '{}'", builtin.name, keyword)};
        Value& place = bound[size_t(at - parameters.begin())];
        if (place.is_given())
            throw Failure{
                fmt::format("{}() got multiple values for argument '{}'", builtin.name, keyword)};
        place = argument.second;
    }
    for (size_t i = 0; i < parameters.size(); i++)
        if (!bound[i].is_given() && !parameters[i].ends_with('?'))
            throw Failure{
                fmt::format("{}() missing a required argument: '{}'", builtin.name, parameters[i])};
    return bound;
}

}  // namespace

int64_t Call::integer(size_t i, int64_t otherwise) const {
    if (!has(i) || args[i].is_none()) return otherwise;
    if (args[i].is_undefined()) fail_undefined(args[i]);
    if (!args[i].is_integral())
        throw Failure{
            fmt::format("'{}' object cannot be interpreted as an integer", type_name(args[i]))};
    return args[i].as_integer();
}

Text Call::text(size_t i) const {
    return text_of(work, args[i]);
}

const Text& Call::string(size_t i) const {
    if (args[i].is_undefined()) fail_undefined(args[i]);
    if (!args[i].is_string())
        throw Failure{fmt::format("expected a string, not '{}'", type_name(args[i]))};
    return args[i].text();
}

Value invoke(Interpreter& interpreter, const Builtin& builtin, Arguments& arguments) {
    Workspace& work = interpreter.work();
    const Workspace::Level level(work);
    work.step();
    std::vector<Value> bound;
    if (builtin.parameters != "*") bound = bind(builtin, arguments);
    Call call{interpreter, work, bound, arguments};
    return builtin.call(call);
}

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
    const auto at = std::find_if(table.begin(), table.end(),
                                 [&](const Builtin& builtin) { return builtin.name == name; });
    return at == table.end() ? nullptr : &*at;
}

const Builtin* find_filter(std::string_view name) {
    for (const auto table :
         {text_filters(), value_filters(), sequence_filters(), selecting_filters()})
        if (const Builtin* found = find_in(table, name)) return found;
    return nullptr;
}

}  // namespace qwend::jinja
