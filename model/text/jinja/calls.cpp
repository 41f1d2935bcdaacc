#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/text/jinja/interpreter.h"

namespace qwend::jinja {

namespace {

bool is_dunder(std::string_view name) {
    return name.starts_with("__");
}

/// The item of an index counted from either end; empty if there is none.
Value item_at(std::span<const Value> items, int64_t index) {
    if (index < 0) index += int64_t(items.size());
    return index < 0 || index >= int64_t(items.size()) ? Value() : items[size_t(index)];
}

Value char_at(Workspace& work, const Text& text, int64_t index) {
    work.scan(text.bytes.size());
    const auto n_chars = int64_t(count_chars(text.bytes));
    if (index < 0) index += n_chars;
    if (index < 0 || index >= n_chars) return {};
    const size_t begin = byte_of_char(text.bytes, size_t(index));
    const size_t length = byte_of_char(text.bytes.substr(begin), 1);
    return make_string(work, part_of(work, text, begin, begin + length));
}

}  // namespace

/// A method comes before a key of its name, as with Python's getattr.
Value Interpreter::attribute(const Value& object, std::string_view name) {
    work_.step();
    if (object.is_undefined()) fail_undefined(object);
    if (object.is(Type::loop)) return loop_attribute(object, name);
    if (object.is(Type::name_space)) {
        const auto& attributes = object.get<Namespace>().attributes;
        work_.scan(attributes.size() * sizeof(Member));
        for (const Member& member : attributes)
            if (member.key.is_string() && member.key.bytes() == name) return member.value;
        return make_undefined_attribute(work_, object, name);
    }
    if (object.is(Type::macro) && name == "name")
        return make_data(work_, object.get<MacroValue>().name);
    if (is_mutating_method(object, name))
        return make_undefined_because(
            work_, fmt::format("access to attribute '{}' of '{}' object is unsafe.", name,
                               type_name(object)));
    if (const Builtin* method = find_method(object, name))
        return Value::of(Type::method, work_.make<BoundMethod>(object, method));
    if (object.is_dict() && !is_dunder(name))
        if (const Value* value = qwend::jinja::find(object.get<Dict>(), name)) return *value;
    return make_undefined_attribute(work_, object, name);
}

/// A key comes before a method of its name.
Value Interpreter::subscript(const Value& object, const Value& index) {
    work_.step();
    if (object.is_undefined()) fail_undefined(object);
    Value found;
    if (object.is_dict()) {
        const bool has_hash = !index.is(Type::list) && !index.is_dict() && !index.is(Type::view);
        const Value* value =
            has_hash ? qwend::jinja::find(work_, object.get<Dict>(), index) : nullptr;
        if (value != nullptr) found = *value;
    } else if (index.is_integral() && object.is_string()) {
        found = char_at(work_, object.text(), index.as_integer());
    } else if (index.is_integral() && object.is_sequence() && !object.is(Type::view)) {
        found = item_at(object.items(), index.as_integer());
    }
    if (found.is_given()) return found;
    if (!index.is_string())
        return make_undefined_because(
            work_, fmt::format("{} object has no such element", type_name(object)));
    const std::string_view name = index.bytes();
    if (object.is_dict() && find_method(object, name) == nullptr &&
        !is_mutating_method(object, name))
        return make_undefined_attribute(work_, object, name);
    return attribute(object, name);
}

Value Interpreter::call(const Value& callee, Arguments& arguments) {
    const Workspace::Level level(work_);
    work_.step();
    switch (callee.type()) {
        case Type::undefined:
            fail_undefined(callee);
        case Type::macro:
            return call_macro(callee.get<MacroValue>(), arguments);
        case Type::function:
            return invoke(*this, callee.get<Builtin>(), arguments);
        case Type::method: {
            const auto& bound = callee.get<BoundMethod>();
            arguments.positional.insert(arguments.positional.begin(), bound.self);
            return invoke(*this, *bound.method, arguments);
        }
        case Type::loop:
            return recurse(callee.mutable_<LoopState>(), arguments);
        default:
            throw Failure{fmt::format("'{}' object is not callable", type_name(callee))};
    }
}

/// Puts a macro's arguments into the scope, which is its own and empty. Source: Jinja 3's Macro.
void Interpreter::bind_parameters(const MacroValue& macro, Arguments& arguments) {
    const MacroSignature& signature = macro.statement->signature;
    const auto& parameters = signature.parameters;
    auto take_keyword = [&](std::string_view name) {
        for (auto at = arguments.keywords.begin(); at != arguments.keywords.end(); ++at)
            if (at->first == name) {
                const Value value = at->second;
                arguments.keywords.erase(at);
                return value;
            }
        return Value();
    };
    const size_t n_given = std::min(arguments.positional.size(), parameters.size());
    bool has_caller = false;
    for (size_t i = 0; i < parameters.size(); i++) {
        const std::string& name = parsed_.names[parameters[i]];
        has_caller |= name == "caller";
        Value value = i < n_given ? arguments.positional[i] : take_keyword(name);
        const size_t n_required = parameters.size() - signature.defaults.size();
        if (!value.is_given() && i >= n_required)
            value = evaluate(signature.defaults[i - n_required]);
        if (!value.is_given())
            value =
                make_undefined_because(work_, fmt::format("parameter '{}' was not provided", name));
        bind(parameters[i], value);
    }
    if (signature.takes_caller && !has_caller) {
        Value caller = take_keyword("caller");
        if (!caller.is_given() || caller.is_none())
            caller = make_undefined_because(work_, "No caller defined");
        bind(*parsed_.names.find("caller"), caller);
    }
    if (signature.takes_kwargs) {
        std::vector<Member> members;
        for (const auto& [keyword, value] : arguments.keywords)
            members.push_back({make_ours(work_, keyword), value});
        bind(*parsed_.names.find("kwargs"), make_dict_value(work_, std::move(members)));
    } else if (!arguments.keywords.empty()) {
        throw Failure{fmt::format("macro '{}' takes no keyword argument '{}'", macro.name,
                                  arguments.keywords[0].first)};
    }
    const auto rest = std::span(arguments.positional).subspan(n_given);
    if (signature.takes_varargs)
        bind(*parsed_.names.find("varargs"), make_sequence(work_, Type::tuple, rest));
    else if (!rest.empty())
        throw Failure{fmt::format("macro '{}' takes not more than {} argument(s)", macro.name,
                                  parameters.size())};
}

Value Interpreter::call_macro(const MacroValue& macro, Arguments& arguments) {
    TextBuilder written(work_);
    TextBuilder* out = std::exchange(out_, &written);
    Scope* outer = std::exchange(scope_, new_scope(macro.scope));
    const int line = line_;
    bind_parameters(macro, arguments);
    run(macro.statement->body);
    line_ = line;
    scope_ = outer;
    out_ = out;
    return make_string(work_, written.take());
}

}  // namespace qwend::jinja
