#include <fmt/core.h>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

Value yes_if(bool condition) {
    return Value::boolean(condition);
}

Value is_defined(Call& call) {
    return yes_if(!call[0].is_undefined());
}
Value is_undefined(Call& call) {
    return yes_if(call[0].is_undefined());
}
Value is_none(Call& call) {
    return yes_if(call[0].is_none());
}
Value is_boolean(Call& call) {
    return yes_if(call[0].is(Type::boolean));
}
Value is_true(Call& call) {
    return yes_if(call[0].is(Type::boolean) && call[0].as_integer() != 0);
}
Value is_false(Call& call) {
    return yes_if(call[0].is(Type::boolean) && call[0].as_integer() == 0);
}
Value is_integer(Call& call) {
    return yes_if(call[0].is(Type::integer) || call[0].is(Type::big_integer));
}
Value is_float(Call& call) {
    return yes_if(call[0].is(Type::real));
}
Value is_number(Call& call) {
    return yes_if(call[0].is_number());
}
Value is_string(Call& call) {
    return yes_if(call[0].is_string());
}
Value is_mapping(Call& call) {
    return yes_if(call[0].is_dict());
}
Value is_callable(Call& call) {
    const Type type = call[0].type();
    return yes_if(type == Type::macro || type == Type::function || type == Type::method ||
                  type == Type::loop || type == Type::undefined);
}

/// What has a length and elements by number or key, in Python's eyes.
Value is_sequence(Call& call) {
    return yes_if(call[0].is_undefined() || call[0].is_string() || call[0].is_dict() ||
                  (call[0].is_sequence() && !call[0].is(Type::view)));
}

Value is_iterable(Call& call) {
    return yes_if(call[0].is_string() || call[0].is_dict() || call[0].is_sequence() ||
                  call[0].is(Type::iterator) || call[0].is(Type::loop) || call[0].is_undefined());
}

Value is_escaped(Call& call) {
    return yes_if(call[0].is_string() && call[0].text().is_markup);
}

/// Python's islower() or isupper(): some letters, none of them of another case.
bool has_case(Call& call, bool (*wanted)(char32_t), bool (*unwanted)(char32_t)) {
    const Text text = call.text(0);
    call.work.scan(text.bytes.size());
    bool found = false;
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const auto code = char32_t(c.code_point);
        if (unwanted(code) || is_title(code)) return false;
        found |= wanted(code);
        at += size_t(c.length);
    }
    return found;
}

Value is_lower_case(Call& call) {
    return yes_if(has_case(call, is_lower, is_upper));
}
Value is_upper_case(Call& call) {
    return yes_if(has_case(call, is_upper, is_lower));
}

/// Whether it is a multiple of a number, plus `rest`.
bool has_rest(Call& call, const Value& divisor, int64_t rest) {
    const Value modulo = apply_binary(call.work, Operator::modulo, call[0], divisor);
    return equals(call.work, modulo, Value::integer(rest));
}

Value is_odd(Call& call) {
    return yes_if(has_rest(call, Value::integer(2), 1));
}
Value is_even(Call& call) {
    return yes_if(has_rest(call, Value::integer(2), 0));
}
Value is_divisible(Call& call) {
    return yes_if(has_rest(call, call[1], 0));
}

template <Operator op>
Value compares(Call& call) {
    return yes_if(apply_comparison(call.work, op, call[0], call[1]));
}

Value is_same(Call& call) {
    return yes_if(call[0].is_same(call[1]));
}
Value is_filter(Call& call) {
    return yes_if(call[0].is_string() && find_filter(call[0].bytes()) != nullptr);
}
Value is_test(Call& call) {
    return yes_if(call[0].is_string() && find_test(call[0].bytes()) != nullptr);
}

constexpr Builtin kTests[] = {
    {"defined", "value", is_defined},
    {"undefined", "value", is_undefined},
    {"none", "value", is_none},
    {"boolean", "value", is_boolean},
    {"true", "value", is_true},
    {"false", "value", is_false},
    {"integer", "value", is_integer},
    {"float", "value", is_float},
    {"number", "value", is_number},
    {"string", "value", is_string},
    {"mapping", "value", is_mapping},
    {"sequence", "value", is_sequence},
    {"iterable", "value", is_iterable},
    {"callable", "_obj", is_callable},
    {"escaped", "value", is_escaped},
    {"lower", "value", is_lower_case},
    {"upper", "value", is_upper_case},
    {"odd", "value", is_odd},
    {"even", "value", is_even},
    {"divisibleby", "value num", is_divisible},
    {"eq", "_a _b", compares<Operator::equal>},
    {"==", "_a _b", compares<Operator::equal>},
    {"equalto", "_a _b", compares<Operator::equal>},
    {"ne", "_a _b", compares<Operator::not_equal>},
    {"!=", "_a _b", compares<Operator::not_equal>},
    {"lt", "_a _b", compares<Operator::less>},
    {"<", "_a _b", compares<Operator::less>},
    {"lessthan", "_a _b", compares<Operator::less>},
    {"le", "_a _b", compares<Operator::less_equal>},
    {"<=", "_a _b", compares<Operator::less_equal>},
    {"gt", "_a _b", compares<Operator::greater>},
    {">", "_a _b", compares<Operator::greater>},
    {"greaterthan", "_a _b", compares<Operator::greater>},
    {"ge", "_a _b", compares<Operator::greater_equal>},
    {">=", "_a _b", compares<Operator::greater_equal>},
    {"in", "value seq", compares<Operator::in>},
    {"sameas", "value other", is_same},
    {"filter", "value", is_filter},
    {"test", "value", is_test},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
    return find_in(kTests, name);
}

}  // namespace qwend::jinja
