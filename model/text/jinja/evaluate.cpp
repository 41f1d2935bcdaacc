#include <fmt/core.h>

#include <utility>

#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

Value Interpreter::evaluate(const Expression& expression) {
    const Workspace::Level level(work_);
    work_.step();
    const auto& parts = expression.parts;
    switch (expression.kind) {
        case Expression::literal:
            return expression.value;
        case Expression::name:
            return evaluate_name(expression);
        case Expression::list:
            return evaluate_items(expression, Type::list);
        case Expression::tuple:
            return evaluate_items(expression, Type::tuple);
        case Expression::dict:
            return evaluate_dict(expression);
        case Expression::attribute:
            return attribute(evaluate(parts[0]), parsed_.names[expression.name_id]);
        case Expression::subscript: {
            const Value object = evaluate(parts[0]);
            return subscript(object, evaluate(parts[1]));
        }
        case Expression::slice:
            return evaluate_slice(expression);
        case Expression::call:
            return evaluate_call(expression);
        case Expression::filter:
        case Expression::test:
            return evaluate_builtin(expression);
        case Expression::captured:
            return captured_;
        case Expression::unary:
            return apply_unary(expression.op, evaluate(parts[0]));
        case Expression::binary: {
            const Value left = evaluate(parts[0]);
            return apply_binary(work_, expression.op, left, evaluate(parts[1]));
        }
        case Expression::concatenation:
            return evaluate_concatenation(expression);
        case Expression::comparison:
            return evaluate_comparison(expression);
        case Expression::logical_not:
            return Value::boolean(!is_true(evaluate(parts[0])));
        case Expression::logical_and: {
            const Value left = evaluate(parts[0]);
            return is_true(left) ? evaluate(parts[1]) : left;
        }
        case Expression::logical_or: {
            const Value left = evaluate(parts[0]);
            return is_true(left) ? left : evaluate(parts[1]);
        }
        case Expression::conditional:
            return evaluate_conditional(expression);
    }
    return Value::none();
}

Value Interpreter::evaluate_name(const Expression& expression) {
    const Value* value = find(expression.name_id);
    if (value != nullptr && value->is_given()) return *value;
    return make_undefined(work_, parsed_.names[expression.name_id]);
}

Value Interpreter::evaluate_items(const Expression& expression, Type type) {
    std::vector<Value> items;
    items.reserve(expression.parts.size());
    for (const Expression& part : expression.parts) items.push_back(evaluate(part));
    return make_sequence(work_, type, items);
}

Value Interpreter::evaluate_dict(const Expression& expression) {
    std::vector<Member> members;
    for (size_t i = 0; i < expression.parts.size(); i += 2) {
        const Value key = evaluate(expression.parts[i]);
        members.push_back({key, evaluate(expression.parts[i + 1])});
    }
    return make_dict_value(work_, std::move(members));
}

Value Interpreter::evaluate_slice(const Expression& expression) {
    Value values[4];
    for (size_t i = 0; i < 4; i++) values[i] = evaluate(expression.parts[i]);
    return slice(work_, values[0], values[1], values[2], values[3]);
}

void Interpreter::add_starred(const Expression& expression, Arguments& arguments) {
    const auto& parts = expression.parts;
    if (expression.has_star) {
        const auto items =
            walk(work_, evaluate(parts[parts.size() - 1 - size_t(expression.has_double_star)]));
        arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
    }
    if (!expression.has_double_star) return;
    const Value value = evaluate(parts.back());
    if (!value.is_dict()) throw Failure{"argument after ** must be a mapping"};
    for (const Member& member : value.get<Dict>().members) {
        if (!member.key.is_string()) throw Failure{"keywords must be strings"};
        for (const auto& [keyword, unused] : arguments.keywords)
            if (keyword == member.key.bytes())
                throw Failure{
                    fmt::format("got multiple values for keyword argument '{}'", keyword)};
        arguments.keywords.emplace_back(member.key.bytes(), member.value);
    }
}

/// Of the parts behind the first.
Arguments Interpreter::evaluate_arguments(const Expression& expression) {
    Arguments arguments;
    const auto& parts = expression.parts;
    const size_t n_starred = size_t(expression.has_star) + size_t(expression.has_double_star);
    const size_t n_keywords = expression.keywords.size();
    const size_t n_positional = parts.size() - 1 - n_keywords - n_starred;
    for (size_t i = 0; i < n_positional; i++)
        arguments.positional.push_back(evaluate(parts[1 + i]));
    for (size_t i = 0; i < n_keywords; i++)
        arguments.keywords.emplace_back(parsed_.names[expression.keywords[i]],
                                        evaluate(parts[1 + n_positional + i]));
    if (n_starred > 0) add_starred(expression, arguments);
    return arguments;
}

Value Interpreter::evaluate_call(const Expression& expression) {
    const Value callee = evaluate(expression.parts[0]);
    Arguments arguments = evaluate_arguments(expression);
    return call(callee, arguments);
}

Value Interpreter::evaluate_builtin(const Expression& expression) {
    if (expression.builtin == nullptr)
        throw Failure{fmt::format("No {} named '{}' found.",
                                  expression.kind == Expression::filter ? "filter" : "test",
                                  parsed_.names[expression.name_id])};
    const Value subject = evaluate(expression.parts[0]);
    Arguments arguments = evaluate_arguments(expression);
    arguments.positional.insert(arguments.positional.begin(), subject);
    return invoke(*this, *expression.builtin, arguments);
}

Value Interpreter::evaluate_concatenation(const Expression& expression) {
    TextBuilder out(work_);
    for (const Expression& part : expression.parts) print(out, evaluate(part));
    return make_string(work_, out.take());
}

/// a < b < c is a < b and b < c.
Value Interpreter::evaluate_comparison(const Expression& expression) {
    Value left = evaluate(expression.parts[0]);
    for (size_t i = 0; i < expression.comparisons.size(); i++) {
        const Value right = evaluate(expression.parts[i + 1]);
        if (!apply_comparison(work_, expression.comparisons[i], left, right))
            return Value::boolean(false);
        left = right;
    }
    return Value::boolean(true);
}

Value Interpreter::evaluate_conditional(const Expression& expression) {
    if (is_true(evaluate(expression.parts[0]))) return evaluate(expression.parts[1]);
    const Value otherwise = evaluate(expression.parts[2]);
    if (otherwise.is_given()) return otherwise;
    return make_undefined_because(work_,
                                  "the inline if-expression evaluated to false and no else "
                                  "section was defined.");
}

}  // namespace qwend::jinja
