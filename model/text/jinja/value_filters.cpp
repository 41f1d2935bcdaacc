#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

Value default_value(Call& call) {
    const bool is_absent = call[0].is_undefined() || (call.flag(2, false) && !is_true(call[0]));
    if (!is_absent) return call[0];
    return call.has(1) ? call[1] : make_ours(call.work, "");
}

Value length(Call& call) {
    const auto length = length_of(call.work, call[0]);
    if (!length) throw Failure{fmt::format("object of type '{}' has no len()", type_name(call[0]))};
    return Value::integer(*length);
}

Value list(Call& call) {
    return make_sequence(call.work, Type::list, walk(call.work, call[0]));
}

/// Lazy as Jinja's: that something has no items shows when they are walked over.
Value items(Call& call) {
    if (call[0].is_undefined()) return make_iterator(call.work, {}, "generator");
    if (!call[0].is_dict())
        return make_iterator(call.work, {}, "generator", "Can only get item pairs from a mapping.");
    std::vector<Value> pairs;
    for (const Member& member : call[0].get<Dict>().members) {
        const Value pair[] = {member.key, member.value};
        pairs.push_back(make_sequence(call.work, Type::tuple, pair));
    }
    return make_iterator(call.work, pairs, "generator");
}

Value absolute(Call& call) {
    if (call[0].is_undefined()) fail_undefined(call[0]);
    if (call[0].is(Type::real)) return Value::real(std::fabs(call[0].as_real()));
    if (!call[0].is_integral())
        throw Failure{fmt::format("bad operand type for abs(): '{}'", type_name(call[0]))};
    return call[0].as_integer() < 0 ? apply_unary(Operator::negate, call[0])
                                    : Value::integer(call[0].as_integer());
}

/// A number as Python's float() reads it from a text.
std::optional<double> read_real(std::string_view text) {
    const Range rest = strip(text, {});
    std::string digits(text.substr(rest.begin, rest.end - rest.begin));
    for (size_t i = 0; i < digits.size(); i++) {
        if (digits[i] != '_') continue;
        auto is_digit = [&](size_t at) { return at < digits.size() && std::isdigit(digits[at]); };
        if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
    }
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    if (digits.empty() || digits.find_first_of("xXpP(") != std::string::npos) return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (end != digits.c_str() + digits.size()) return std::nullopt;
    return value;
}

std::optional<Value> read_integer(std::string_view text, int base) {
    const Range rest = strip(text, {});
    std::string digits(text.substr(rest.begin, rest.end - rest.begin));
    const bool is_negative = digits.starts_with('-');
    if (is_negative || digits.starts_with('+')) digits.erase(0, 1);
    if (digits.starts_with('_') || digits.ends_with('_') || digits.find("__") != std::string::npos)
        return std::nullopt;
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    if (digits.size() > 2 && digits[0] == '0') {
        const char kind = char(digits[1] | 0x20);
        if ((kind == 'x' && (base == 16 || base == 0)) ||
            (kind == 'o' && (base == 8 || base == 0)) ||
            (kind == 'b' && (base == 2 || base == 0))) {
            base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
            digits.erase(0, 2);
        }
    }
    if (base == 0) base = 10;
    if (digits.empty() || digits[0] == '-') return std::nullopt;
    if (is_negative) digits.insert(0, "-");
    int64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (end != digits.data() + digits.size()) return std::nullopt;
    if (error != std::errc())
        throw Failure{"calculations with integers beyond 64 bits are not supported"};
    return Value::integer(value);
}

std::optional<Value> truncated(double value) {
    if (!std::isfinite(value)) return std::nullopt;
    if (std::fabs(value) >= 9.2e18)
        throw Failure{"calculations with integers beyond 64 bits are not supported"};
    return Value::integer(int64_t(value));
}

Value to_integer(Call& call) {
    const Value& value = call[0];
    if (value.is_undefined()) fail_undefined(value);
    const Value otherwise = call.has(1) ? call[1] : Value::integer(0);
    const int64_t base = call.integer(2, 10);
    if (base != 0 && (base < 2 || base > 36)) return otherwise;
    if (value.is_integral()) return Value::integer(value.as_integer());
    if (value.is(Type::big_integer)) return value;
    if (value.is(Type::real)) {
        if (std::isinf(value.as_real())) throw Failure{"cannot convert float infinity to integer"};
        return truncated(value.as_real()).value_or(otherwise);
    }
    if (!value.is_string()) return otherwise;
    if (const auto integer = read_integer(value.bytes(), int(base))) return *integer;
    const auto real = read_real(value.bytes());
    return real ? truncated(*real).value_or(otherwise) : otherwise;
}

Value to_real(Call& call) {
    const Value& value = call[0];
    if (value.is_undefined()) fail_undefined(value);
    if (value.is(Type::real)) return value;
    if (value.is_integral()) return Value::real(double(value.as_integer()));
    if (value.is_string() || value.is(Type::big_integer))
        if (const auto real = read_real(value.bytes())) return Value::real(*real);
    return call.has(1) ? call[1] : Value::real(0);
}

double rounded(double value, int64_t precision) {
    // Through the decimal form, which is how Python gets 2.675 right; half goes to even.
    if (precision > 300 || !std::isfinite(value)) return value;
    if (precision >= 0)
        return std::strtod(fmt::format("{:.{}f}", value, int(precision)).c_str(), nullptr);
    if (precision < -308) return std::copysign(0.0, value);
    const double unit = std::pow(10.0, double(-precision));
    return std::nearbyint(value / unit) * unit;
}

Value round(Call& call) {
    const Value& value = call[0];
    const int64_t precision = call.integer(1, 0);
    const std::string_view method = call.has(2) ? call.string(2).bytes : "common";
    if (method != "common" && method != "ceil" && method != "floor")
        throw Failure{"method must be common, ceil or floor"};
    if (value.is_undefined()) fail_undefined(value);
    if (!value.is_integral() && !value.is(Type::real))
        throw Failure{fmt::format("type {} doesn't define __round__ method", type_name(value))};
    if (method == "common") {
        if (value.is(Type::real)) return Value::real(rounded(value.as_real(), precision));
        if (precision >= 0) return Value::integer(value.as_integer());
        return Value::integer(int64_t(rounded(double(value.as_integer()), precision)));
    }
    const double number = value.is(Type::real) ? value.as_real() : double(value.as_integer());
    const double unit = std::pow(10.0, double(std::clamp<int64_t>(precision, -300, 300)));
    const double scaled = number * unit;
    return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value attr(Call& call) {
    const Text& name = call.string(1);
    if (call[0].is_dict() && find_method(call[0], name.bytes) == nullptr)
        return make_undefined_attribute(call.work, call[0], name.bytes);
    return call.interpreter.attribute(call[0], name.bytes);
}

Value tojson(Call& call) {
    JsonStyle style;
    style.escapes_all = call.flag(1, false);
    style.sorts_keys = call.flag(4, false);
    if (call.has(2) && !call[2].is_none()) {
        style.is_indented = true;
        style.item_separator = ",";
        if (call[2].is_string()) {
            style.indent = call[2].bytes();
        } else {
            const auto width = size_t(std::max<int64_t>(call.integer(2, 0), 0));
            call.work.take(width);
            style.indent.assign(width, ' ');
        }
    }
    if (call.has(3) && !call[3].is_none()) {
        const auto separators = walk(call.work, call[3]);
        if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string())
            throw Failure{"separators must be two strings"};
        style.item_separator = separators[0].bytes();
        style.key_separator = separators[1].bytes();
    }
    TextBuilder out(call.work);
    print_json(out, call[0], style);
    return make_string(call.work, out.take());
}

/// For sorting by it: strings without their case.
Value folded(Workspace& work, const Value& value) {
    return value.is_string() ? make_string(work, change_case(work, value.text(), Case::lower))
                             : value;
}

Value dictsort(Call& call) {
    if (call[0].is_undefined()) fail_undefined(call[0]);
    if (!call[0].is_dict())
        throw Failure{fmt::format("'{}' object has no attribute 'items'", type_name(call[0]))};
    const bool is_case_sensitive = call.flag(1, false);
    const std::string_view by = call.has(2) ? call.string(2).bytes : "key";
    if (by != "key" && by != "value")
        throw Failure{"You can only sort by either \"key\" or \"value\""};
    std::vector<std::pair<Value, Value>> keyed;
    for (const Member& member : call[0].get<Dict>().members) {
        const Value pair[] = {member.key, member.value};
        const Value& key = by == "key" ? member.key : member.value;
        keyed.emplace_back(is_case_sensitive ? key : folded(call.work, key),
                           make_sequence(call.work, Type::tuple, pair));
    }
    return sort_values(call.work, std::move(keyed), call.flag(3, false));
}

constexpr Builtin kFilters[] = {
    {"default", "value default_value? boolean?", default_value},
    {"d", "value default_value? boolean?", default_value},
    {"length", "_obj", length},
    {"count", "_obj", length},
    {"list", "value", list},
    {"items", "value", items},
    {"abs", "_x", absolute},
    {"int", "value default? base?", to_integer},
    {"float", "value default?", to_real},
    {"round", "value precision? method?", round},
    {"attr", "obj name", attr},
    {"tojson", "x ensure_ascii? indent? separators? sort_keys?", tojson},
    {"dictsort", "value case_sensitive? by? reverse?", dictsort},
};

}  // namespace

std::span<const Builtin> value_filters() {
    return kFilters;
}

}  // namespace qwend::jinja
