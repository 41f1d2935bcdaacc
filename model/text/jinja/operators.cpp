#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

const char* sign_of(Operator op) {
    switch (op) {
        case Operator::add:
            return "+";
        case Operator::subtract:
            return "-";
        case Operator::multiply:
            return "*";
        case Operator::divide:
            return "/";
        case Operator::floor_divide:
            return "//";
        case Operator::modulo:
            return "%";
        default:
            return "**";
    }
}

[[noreturn]] void fail_operands(Operator op, const Value& a, const Value& b) {
    throw Failure{fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", sign_of(op),
                              type_name(a), type_name(b))};
}

[[noreturn]] void fail_size() {
    throw Failure{"calculations with integers beyond 64 bits are not supported"};
}

double real_of(const Value& number) {
    return number.is(Type::real) ? number.as_real() : double(number.as_integer());
}

int64_t floor_divide(int64_t a, int64_t b) {
    const int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

/// Python's float modulo and floor division: the remainder has the divisor's sign.
double real_modulo(double a, double b) {
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

double real_floor_divide(double a, double b) {
    const double quotient = (a - real_modulo(a, b)) / b;
    const double floored = std::floor(quotient);
    return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value integer_power(int64_t base, int64_t exponent) {
    if (exponent < 0) {
        if (base == 0) throw Failure{"0.0 cannot be raised to a negative power"};
        return Value::real(std::pow(double(base), double(exponent)));
    }
    int64_t result = 1;
    while (exponent > 0) {
        if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_size();
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_size();
    }
    return Value::integer(result);
}

Value apply_to_integers(Operator op, int64_t a, int64_t b) {
    int64_t result = 0;
    const bool divides =
        op == Operator::divide || op == Operator::floor_divide || op == Operator::modulo;
    if (divides && b == 0) throw Failure{"division by zero"};
    if (b == -1 && a == INT64_MIN && divides) fail_size();
    switch (op) {
        case Operator::add:
            if (__builtin_add_overflow(a, b, &result)) fail_size();
            return Value::integer(result);
        case Operator::subtract:
            if (__builtin_sub_overflow(a, b, &result)) fail_size();
            return Value::integer(result);
        case Operator::multiply:
            if (__builtin_mul_overflow(a, b, &result)) fail_size();
            return Value::integer(result);
        case Operator::divide:
            return Value::real(double(a) / double(b));
        case Operator::floor_divide:
            return Value::integer(floor_divide(a, b));
        case Operator::modulo:
            return Value::integer(a - b * floor_divide(a, b));
        default:
            return integer_power(a, b);
    }
}

Value apply_to_reals(Operator op, double a, double b) {
    const bool divides =
        op == Operator::divide || op == Operator::floor_divide || op == Operator::modulo;
    if (divides && b == 0) throw Failure{"float division by zero"};
    switch (op) {
        case Operator::add:
            return Value::real(a + b);
        case Operator::subtract:
            return Value::real(a - b);
        case Operator::multiply:
            return Value::real(a * b);
        case Operator::divide:
            return Value::real(a / b);
        case Operator::floor_divide:
            return Value::real(real_floor_divide(a, b));
        case Operator::modulo:
            return Value::real(real_modulo(a, b));
        default:
            break;
    }
    if (a == 0 && b < 0) throw Failure{"0.0 cannot be raised to a negative power"};
    if (a < 0 && b != std::floor(b)) throw Failure{"complex numbers are not supported"};
    const double power = std::pow(a, b);
    if (std::isinf(power) && std::isfinite(a) && std::isfinite(b))
        throw Failure{"Numerical result out of range"};
    return Value::real(power);
}

/// What went through `safe` escapes what it is added to.
Value add_strings(Workspace& work, const Value& a, const Value& b) {
    const bool is_markup = a.text().is_markup || b.text().is_markup;
    TextBuilder out(work);
    for (const Value* part : {&a, &b})
        out.add(is_markup && !part->text().is_markup ? escape_html(work, *part).text()
                                                     : part->text());
    Text sum = out.take();
    sum.is_markup = is_markup;
    return make_string(work, sum);
}

Value add_sequences(Workspace& work, const Value& a, const Value& b) {
    std::vector<Value> items(a.items().begin(), a.items().end());
    items.insert(items.end(), b.items().begin(), b.items().end());
    return make_sequence(work, a.type(), items);
}

Value repeat(Workspace& work, const Value& value, int64_t times) {
    const auto n = size_t(std::max<int64_t>(times, 0));
    if (value.is_string()) {
        TextBuilder out(work);
        if (!value.bytes().empty())
            for (size_t i = 0; i < n; i++) out.add(value.text());
        return make_string(work, out.take());
    }
    std::vector<Value> items;
    if (!value.items().empty())
        for (size_t i = 0; i < n; i++) {
            work.take(value.items().size_bytes());
            work.scan(value.items().size_bytes());
            items.insert(items.end(), value.items().begin(), value.items().end());
        }
    return make_sequence(work, value.type(), items);
}

bool can_repeat(const Value& value) {
    return value.is_string() || value.is(Type::list) || value.is(Type::tuple);
}

/// Where a slice begins and ends, and its step, for a sequence of `size`. Source: Python's
/// PySlice_AdjustIndices.
struct Slice {
    int64_t start, stop, step;
};

Slice resolve_slice(int64_t size, const Value& start, const Value& stop, const Value& step) {
    auto integer = [](const Value& value) -> std::optional<int64_t> {
        if (value.is_none()) return std::nullopt;
        if (!value.is_integral())
            throw Failure{"slice indices must be integers or None or have an __index__ method"};
        return value.as_integer();
    };
    Slice slice{0, 0, integer(step).value_or(1)};
    if (slice.step == 0) throw Failure{"slice step cannot be zero"};
    const bool is_backward = slice.step < 0;
    const int64_t low = is_backward ? -1 : 0, high = is_backward ? size - 1 : size;
    auto bound = [&](std::optional<int64_t> given, int64_t otherwise) {
        if (!given) return otherwise;
        return std::clamp(*given < 0 ? *given + size : *given, low, high);
    };
    slice.start = bound(integer(start), is_backward ? high : low);
    slice.stop = bound(integer(stop), is_backward ? low : high);
    slice.step = std::clamp(slice.step, -size - 1, size + 1);
    return slice;
}

Value slice_string(Workspace& work, const Text& text, const Slice& s, int64_t n_chars) {
    work.scan(text.bytes.size());
    if (s.step == 1) {
        if (s.start >= s.stop) return make_string(work, {});
        const size_t begin = byte_of_char(text.bytes, size_t(s.start));
        const size_t length = byte_of_char(text.bytes.substr(begin), size_t(s.stop - s.start));
        return make_string(work, part_of(work, text, begin, begin + length));
    }
    std::vector<size_t> begins;  // of each character, and the end
    for (size_t at = 0; begins.size() <= size_t(n_chars);) {
        begins.push_back(at);
        at += byte_of_char(text.bytes.substr(at), 1);
    }
    TextBuilder out(work);
    for (int64_t i = s.start; s.step > 0 ? i < s.stop : i > s.stop; i += s.step)
        out.add(text, begins[size_t(i)], begins[size_t(i) + 1]);
    return make_string(work, out.take());
}

}  // namespace

Value apply_binary(Workspace& work, Operator op, const Value& a, const Value& b) {
    if (op == Operator::modulo && a.is_string())
        return make_string(work, format_percent(work, a.text(), b));
    for (const Value* value : {&a, &b})
        if (value->is_undefined()) fail_undefined(*value);
    if (a.is_integral() && b.is_integral())
        return apply_to_integers(op, a.as_integer(), b.as_integer());
    if (a.is_number() && b.is_number()) {
        if (a.is(Type::big_integer) || b.is(Type::big_integer)) fail_size();
        return apply_to_reals(op, real_of(a), real_of(b));
    }
    if (op == Operator::add && a.is_string() && b.is_string()) return add_strings(work, a, b);
    if (op == Operator::add && a.type() == b.type() && (a.is(Type::list) || a.is(Type::tuple)))
        return add_sequences(work, a, b);
    if (op == Operator::multiply && can_repeat(a) && b.is_integral())
        return repeat(work, a, b.as_integer());
    if (op == Operator::multiply && a.is_integral() && can_repeat(b))
        return repeat(work, b, a.as_integer());
    fail_operands(op, a, b);
}

Value apply_unary(Operator op, const Value& a) {
    if (a.is_undefined()) fail_undefined(a);
    if (a.is(Type::big_integer)) fail_size();
    const bool negates = op == Operator::negate;
    if (a.is(Type::real)) return Value::real(negates ? -a.as_real() : a.as_real());
    if (!a.is_integral())
        throw Failure{
            fmt::format("bad operand type for unary {}: '{}'", negates ? "-" : "+", type_name(a))};
    if (negates && a.as_integer() == INT64_MIN) fail_size();
    return Value::integer(negates ? -a.as_integer() : a.as_integer());
}

bool apply_comparison(Workspace& work, Operator op, const Value& a, const Value& b) {
    switch (op) {
        case Operator::equal:
            return equals(work, a, b);
        case Operator::not_equal:
            return !equals(work, a, b);
        case Operator::less:
            return is_less(work, a, b);
        case Operator::less_equal:
            return is_less(work, a, b) || equals(work, a, b);
        case Operator::greater:
            return is_less(work, b, a);
        case Operator::greater_equal:
            return is_less(work, b, a) || equals(work, a, b);
        case Operator::in:
            return contains(work, b, a);
        default:
            return !contains(work, b, a);
    }
}

Value slice(Workspace& work, const Value& object, const Value& start, const Value& stop,
            const Value& step) {
    if (object.is_undefined()) fail_undefined(object);
    const bool is_sequence = object.is_sequence() && !object.is(Type::view);
    if (!object.is_string() && !is_sequence)
        throw Failure{fmt::format("'{}' object is not subscriptable", type_name(object))};
    const int64_t size = *length_of(work, object);
    const Slice s = resolve_slice(size, start, stop, step);
    if (object.is_string()) return slice_string(work, object.text(), s, size);
    std::vector<Value> items;
    for (int64_t i = s.start; s.step > 0 ? i < s.stop : i > s.stop; i += s.step)
        items.push_back(object.items()[size_t(i)]);
    work.scan(items.size() * sizeof(Value));
    return make_sequence(work, object.is(Type::range) ? Type::list : object.type(), items);
}

}  // namespace qwend::jinja
