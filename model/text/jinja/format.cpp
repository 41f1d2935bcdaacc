#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

/// How a value is to be written: Python's format specification, to which what stands behind % is
/// reduced too.
struct Spec {
    std::string fill = " ";
    char align = '\0', sign = '-', grouping = '\0', type = '\0';
    bool is_alternate = false;
    int64_t width = 0, precision = -1;
};

[[noreturn]] void fail_type(char type, const Value& value) {
    throw Failure{
        fmt::format("Unknown format code '{}' for object of type '{}'", type, type_name(value))};
}

std::string with_grouping(std::string digits, char grouping) {
    if (grouping == '\0') return digits;
    const size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
    for (size_t at = end; at > 3; at -= 3) digits.insert(at - 3, 1, grouping);
    return digits;
}

/// A number without its sign; what stands before its digits goes to `prefix`.
std::string integer_digits(uint64_t value, const Spec& spec, std::string& prefix) {
    if (spec.is_alternate && spec.type != 'd' && spec.type != '\0')
        prefix = std::string("0") + spec.type;
    switch (spec.type) {
        case 'x':
            return fmt::format("{:x}", value);
        case 'X':
            return fmt::format("{:X}", value);
        case 'o':
            return fmt::format("{:o}", value);
        case 'b':
            return fmt::format("{:b}", value);
        default:
            return with_grouping(fmt::format("{}", value), spec.grouping);
    }
}

std::string real_digits(double value, const Spec& spec) {
    if (!std::isfinite(value)) return std::isnan(value) ? "nan" : "inf";
    const int precision = spec.precision < 0 ? 6 : int(spec.precision);
    std::string digits;
    switch (spec.type) {
        case 'f':
        case 'F':
            digits = fmt::format("{:.{}f}", value, precision);
            break;
        case '%':
            digits = fmt::format("{:.{}f}%", value * 100, precision);
            break;
        case 'e':
            digits = fmt::format("{:.{}e}", value, precision);
            break;
        case 'E':
            digits = fmt::format("{:.{}E}", value, precision);
            break;
        case 'G':
            digits = fmt::format("{:.{}G}", value, std::max(precision, 1));
            break;
        case 'g':
            digits = fmt::format("{:.{}g}", value, std::max(precision, 1));
            break;
        default:
            if (spec.precision < 0) {
                digits = python_real(value);
                break;
            }
            digits = fmt::format("{:.{}g}", value, std::max(precision, 1));
            if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
    }
    return with_grouping(std::move(digits), spec.grouping);
}

void add_fill(TextBuilder& out, const Spec& spec, int64_t times) {
    for (int64_t i = 0; i < times; i++) out.add_ours(spec.fill);
}

void add_number(TextBuilder& out, const Value& value, const Spec& spec) {
    bool is_negative = false;
    std::string prefix, digits;
    if (value.is(Type::real)) {
        is_negative = std::signbit(value.as_real());
        digits = real_digits(std::fabs(value.as_real()), spec);
    } else {
        const int64_t integer = value.as_integer();
        is_negative = integer < 0;
        digits =
            integer_digits(is_negative ? 0 - uint64_t(integer) : uint64_t(integer), spec, prefix);
        if (spec.precision > int64_t(digits.size())) {
            out.work().take(size_t(spec.precision));
            digits.insert(0, size_t(spec.precision) - digits.size(), '0');
        }
    }
    prefix.insert(0, is_negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign));
    const int64_t missing =
        std::max<int64_t>(spec.width - int64_t(prefix.size() + digits.size()), 0);
    const char align = spec.align == '\0' ? '>' : spec.align;
    const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    if (align == '=') {
        out.add_ours(prefix);
        add_fill(out, spec, missing);
        return out.add_ours(digits);
    }
    add_fill(out, spec, left);
    out.add_ours(prefix + digits);
    add_fill(out, spec, missing - left);
}

void add_text(TextBuilder& out, Text text, const Spec& spec) {
    out.work().scan(text.bytes.size());
    if (spec.precision >= 0)
        text = part_of(out.work(), text, 0, byte_of_char(text.bytes, size_t(spec.precision)));
    const int64_t missing = std::max<int64_t>(spec.width - int64_t(count_chars(text.bytes)), 0);
    const char align = spec.align == '\0' ? '<' : spec.align;
    const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    add_fill(out, spec, left);
    out.add(text);
    add_fill(out, spec, missing - left);
}

/// The digits at `at`, of a width or a precision.
int64_t read_number(std::string_view text, size_t& at) {
    constexpr int64_t kMost = 1'000'000;
    int64_t number = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++) {
        number = number * 10 + (text[at] - '0');
        if (number > kMost) throw Failure{"Too many decimal digits in format string"};
    }
    return number;
}

bool is_one_of(char c, std::string_view chars) {
    return c != '\0' && chars.find(c) != std::string_view::npos;
}

// format % values

struct PercentFormatter {
    Workspace& work;
    const Text& format;
    const Value& values;
    TextBuilder out{work};
    size_t at = 0, n_used = 0;

    Text run();
    void conversion();
    char peek() const { return at < format.bytes.size() ? format.bytes[at] : '\0'; }
    Value next_value();
    Value value_of_key();
    int64_t number();
    void add(const Value& value, Spec spec, bool fills_with_zeros);
};

Value PercentFormatter::next_value() {
    if (values.is(Type::tuple)) {
        if (n_used < values.items().size()) return values.items()[n_used++];
    } else if (n_used++ == 0) {
        return values;
    }
    throw Failure{"not enough arguments for format string"};
}

Value PercentFormatter::value_of_key() {
    const size_t begin = at + 1, end = format.bytes.find(')', begin);
    if (end == std::string_view::npos) throw Failure{"incomplete format key"};
    if (!values.is_dict()) throw Failure{"format requires a mapping"};
    at = end + 1;
    const std::string_view key = format.bytes.substr(begin, end - begin);
    const Value* value = find(values.get<Dict>(), key);
    if (value == nullptr) throw Failure{std::string(key)};
    return *value;
}

int64_t PercentFormatter::number() {
    if (peek() != '*') return read_number(format.bytes, at);
    at++;
    const Value value = next_value();
    if (!value.is_integral()) throw Failure{"* wants int"};
    return value.as_integer();
}

void PercentFormatter::add(const Value& value, Spec spec, bool fills_with_zeros) {
    if (is_one_of(spec.type, "sra")) {
        if (spec.align == '\0') spec.align = '>';
        if (spec.type == 's') return add_text(out, text_of(work, value), spec);
        TextBuilder repr(work);
        print_repr(repr, value);
        return add_text(out, repr.take(), spec);
    }
    if (spec.type == 'c' && value.is_string() && count_chars(value.bytes()) == 1) {
        if (spec.align == '\0') spec.align = '>';
        return add_text(out, value.text(), spec);
    }
    const bool takes_integers = is_one_of(spec.type, "diuxXo");
    if (!takes_integers && !is_one_of(spec.type, "fFeEgG"))
        throw Failure{fmt::format("unsupported format character '{}'", spec.type)};
    if (value.is_undefined()) fail_undefined(value);
    if (!value.is_integral() && !value.is(Type::real))
        throw Failure{
            fmt::format("%{} format: a number is required, not {}", spec.type, type_name(value))};
    Value number = value;
    if (takes_integers && value.is(Type::real)) {
        if (is_one_of(spec.type, "xXo")) fail_type(spec.type, value);
        if (!(std::fabs(value.as_real()) < 9.2e18))
            throw Failure{"cannot convert float to integer"};
        number = Value::integer(int64_t(value.as_real()));
    }
    if (!takes_integers && value.is_integral()) number = Value::real(double(value.as_integer()));
    if (is_one_of(spec.type, "iu")) spec.type = 'd';
    if (fills_with_zeros && spec.align == '\0') spec.fill = "0", spec.align = '=';
    add_number(out, number, spec);
}

void PercentFormatter::conversion() {
    Spec spec;
    bool has_key = false, fills_with_zeros = false;
    Value value;
    if (peek() == '(') {
        value = value_of_key();
        has_key = true;
    }
    for (; is_one_of(peek(), "-+ #0"); at++) {
        const char flag = peek();
        if (flag == '-') spec.align = '<';
        if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
        if (flag == '#') spec.is_alternate = true;
        if (flag == '0') fills_with_zeros = true;
    }
    spec.width = number();
    if (spec.width < 0) spec.align = '<', spec.width = -spec.width;
    if (peek() == '.') {
        at++;
        spec.precision = std::max<int64_t>(number(), 0);
    }
    while (is_one_of(peek(), "hlL")) at++;
    spec.type = peek();
    if (spec.type == '\0') throw Failure{"incomplete format"};
    at++;
    if (spec.type == '%') return out.add(format, at - 1, at);
    if (!has_key) value = next_value();
    add(value, spec, fills_with_zeros);
}

Text PercentFormatter::run() {
    while (at < format.bytes.size()) {
        const size_t percent = std::min(format.bytes.find('%', at), format.bytes.size());
        out.add(format, at, percent);
        at = percent + 1;
        if (percent < format.bytes.size()) conversion();
    }
    const bool is_mapping = values.is_dict() || values.is(Type::list) || values.is_undefined() ||
                            values.is(Type::range);
    const size_t n_values = values.is(Type::tuple) ? values.items().size() : 1;
    if (n_used < n_values && !is_mapping)
        throw Failure{"not all arguments converted during string formatting"};
    return out.take();
}

// format.format(…)

struct BraceFormatter {
    Interpreter& interpreter;
    const Arguments& arguments;
    TextBuilder& out;
    size_t n_automatic = 0;
    bool has_numbers = false;

    void run(const Text& format, int depth);
    void field(const Text& format, size_t begin, size_t end, int depth);
    Value look_up(std::string_view name);
    Value first_value(std::string_view name);
};

/// Where the field that begins at `at` ends, fields within it skipped.
size_t field_end(std::string_view text, size_t at) {
    int n_open = 1;
    for (; at < text.size(); at++) {
        if (text[at] == '{') n_open++;
        if (text[at] == '}' && --n_open == 0) return at;
    }
    throw Failure{"expected '}' before end of string"};
}

Value BraceFormatter::first_value(std::string_view name) {
    const bool is_number =
        !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (name.empty() || is_number) {
        if ((is_number && n_automatic > 0) || (name.empty() && has_numbers))
            throw Failure{"cannot switch from manual field specification to automatic numbering"};
        size_t at = 0;
        has_numbers |= is_number;
        const size_t index = is_number ? size_t(read_number(name, at)) : n_automatic++;
        if (index >= arguments.positional.size())
            throw Failure{fmt::format("Replacement index {} out of range", index)};
        return arguments.positional[index];
    }
    for (const auto& [keyword, value] : arguments.keywords)
        if (keyword == name) return value;
    throw Failure{fmt::format("'{}'", name)};
}

Value BraceFormatter::look_up(std::string_view name) {
    size_t at = std::min(name.find_first_of(".["), name.size());
    Value value = first_value(name.substr(0, at));
    Workspace& work = interpreter.work();
    while (at < name.size()) {
        if (name[at] == '.') {
            const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
            value = interpreter.attribute(value, name.substr(at + 1, end - at - 1));
            at = end;
            continue;
        }
        const size_t end = name.find(']', at);
        if (name[at] != '[' || end == std::string_view::npos)
            throw Failure{"Missing ']' in format"};
        const std::string_view index = name.substr(at + 1, end - at - 1);
        size_t digits = 0;
        const bool is_number =
            !index.empty() && index.find_first_not_of("0123456789") == std::string_view::npos;
        value = interpreter.subscript(
            value, is_number ? Value::integer(read_number(index, digits)) : make_ours(work, index));
        at = end + 1;
    }
    return value;
}

Spec read_spec(std::string_view text) {
    Spec spec;
    size_t at = 0;
    auto peek = [&](size_t ahead) { return at + ahead < text.size() ? text[at + ahead] : '\0'; };
    const size_t fill = text.empty() ? 0 : byte_of_char(text, 1);
    if (is_one_of(peek(fill), "<>^=") && fill > 0) {
        spec.fill = text.substr(0, fill);
        spec.align = text[fill];
        at = fill + 1;
    } else if (is_one_of(peek(0), "<>^=")) {
        spec.align = text[at++];
    }
    if (is_one_of(peek(0), "+- ")) spec.sign = text[at++];
    if (peek(0) == '#') spec.is_alternate = true, at++;
    if (peek(0) == '0') {
        at++;
        if (spec.align == '\0') spec.fill = "0", spec.align = '=';
    }
    spec.width = read_number(text, at);
    if (is_one_of(peek(0), ",_")) spec.grouping = text[at++];
    if (peek(0) == '.') {
        at++;
        if (!is_one_of(peek(0), "0123456789")) throw Failure{"Format specifier missing precision"};
        spec.precision = read_number(text, at);
    }
    if (at < text.size()) spec.type = text[at++];
    if (at < text.size()) throw Failure{"Invalid format specifier"};
    return spec;
}

void add_formatted(TextBuilder& out, const Value& value, std::string_view spec_text) {
    if (spec_text.empty()) return print(out, value);
    Spec spec = read_spec(spec_text);
    if (value.is_string() || value.is_undefined()) {
        if (is_one_of(spec.type, "s") || spec.type == '\0') {
            if (spec.align == '=' && spec.fill == "0") spec.align = '<';
            if (spec.align == '=') throw Failure{"'=' alignment not allowed in string format"};
            return add_text(out, text_of(out.work(), value), spec);
        }
        fail_type(spec.type, value);
    }
    if (!value.is_integral() && !value.is(Type::real))
        throw Failure{
            fmt::format("unsupported format string passed to {}.__format__", type_name(value))};
    if (value.is_integral() && is_one_of(spec.type, "fFeEgG%"))
        return add_number(out, Value::real(double(value.as_integer())), spec);
    const bool fits = value.is_integral() ? spec.type == '\0' || is_one_of(spec.type, "dxXob")
                                          : spec.type == '\0' || is_one_of(spec.type, "fFeEgG%");
    if (!fits) fail_type(spec.type, value);
    if (value.is_integral() && spec.precision >= 0)
        throw Failure{"Precision not allowed in integer format specifier"};
    add_number(out, value, spec);
}

void BraceFormatter::field(const Text& format, size_t begin, size_t end, int depth) {
    const std::string_view text = format.bytes.substr(begin, end - begin);
    const size_t name_end = std::min(text.find_first_of("!:"), text.size());
    Value value = look_up(text.substr(0, name_end));
    size_t at = name_end;
    if (at < text.size() && text[at] == '!') {
        const char conversion = at + 1 < text.size() ? text[at + 1] : '\0';
        if (!is_one_of(conversion, "sra")) throw Failure{"Unknown conversion specifier"};
        TextBuilder converted(out.work());
        if (conversion == 's')
            print(converted, value);
        else
            print_repr(converted, value);
        value = make_string(out.work(), converted.take());
        at += 2;
        if (at < text.size() && text[at] != ':')
            throw Failure{"expected ':' after conversion specifier"};
    }
    if (at >= text.size()) return add_formatted(out, value, {});
    TextBuilder spec(out.work());
    BraceFormatter inner{interpreter, arguments, spec, n_automatic, has_numbers};
    inner.run(part_of(out.work(), format, begin + at + 1, end), depth + 1);
    n_automatic = inner.n_automatic;
    add_formatted(out, value, spec.bytes());
}

void BraceFormatter::run(const Text& format, int depth) {
    if (depth > 2) throw Failure{"Max string recursion exceeded"};
    const std::string_view text = format.bytes;
    for (size_t at = 0; at < text.size();) {
        const size_t brace = std::min(text.find_first_of("{}", at), text.size());
        out.add(format, at, brace);
        if (brace == text.size()) return;
        if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
            out.add(format, brace, brace + 1);
            at = brace + 2;
            continue;
        }
        if (text[brace] == '}') throw Failure{"Single '}' encountered in format string"};
        const size_t end = field_end(text, brace + 1);
        field(format, brace + 1, end, depth);
        at = end + 1;
    }
}

}  // namespace

Text format_percent(Workspace& work, const Text& format, const Value& values) {
    work.scan(format.bytes.size());
    return PercentFormatter{work, format, values}.run();
}

Text format_braces(Interpreter& interpreter, const Text& format, const Arguments& arguments) {
    TextBuilder out(interpreter.work());
    out.work().scan(format.bytes.size());
    BraceFormatter{interpreter, arguments, out}.run(format, 0);
    return out.take();
}

}  // namespace qwend::jinja
