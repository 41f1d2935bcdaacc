#include <fmt/core.h>

#include <algorithm>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

Value strip_both(Call& call) {
    return strip_text(call, true, true);
}
Value strip_left(Call& call) {
    return strip_text(call, true, false);
}
Value strip_right(Call& call) {
    return strip_text(call, false, true);
}

Value upper(Call& call) {
    return make_string(call.work, change_case(call.work, call.text(0), Case::upper));
}

Value lower(Call& call) {
    return make_string(call.work, change_case(call.work, call.text(0), Case::lower));
}

Value capitalize(Call& call) {
    Arguments arguments{{call[0]}, {}};
    return invoke(call.interpreter, *find_filter("capitalize"), arguments);
}

/// Python's: a word begins behind whatever is no letter.
Value title(Call& call) {
    const Text text = call.text(0);
    TextBuilder out(call.work);
    bool in_word = false;
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const size_t end = at + size_t(c.length);
        const auto code = char32_t(c.code_point);
        add_changed(out, text, at, end, in_word ? Case::lower : Case::title);
        in_word = is_upper(code) || is_lower(code) || is_title(code);
        at = end;
    }
    return make_string(call.work, out.take());
}

Value swap_case(Call& call) {
    const Text text = call.text(0);
    TextBuilder out(call.work);
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const size_t end = at + size_t(c.length);
        add_changed(out, text, at, end,
                    is_upper(char32_t(c.code_point)) ? Case::lower : Case::upper);
        at = end;
    }
    return make_string(call.work, out.take());
}

Value replace(Call& call) {
    call.string(1), call.string(2);
    return replace_text(call.work, call.text(0), call.text(1), call.text(2), call.integer(3, -1));
}

Value join(Call& call) {
    const auto items = walk(call.work, call[1]);
    for (const Value& item : items)
        if (!item.is_string())
            throw Failure{
                fmt::format("sequence item: expected str instance, {} found", type_name(item))};
    return join_texts(call.work, items, call.text(0));
}

/// What str.isdigit() and its like ask: there are characters, and all are of a kind.
template <bool (*is_kind)(char32_t)>
Value all_are(Call& call) {
    const Text text = call.text(0);
    call.work.scan(text.bytes.size());
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        if (!is_kind(char32_t(c.code_point))) return Value::boolean(false);
        at += size_t(c.length);
    }
    return Value::boolean(!text.bytes.empty());
}

bool is_alphanumeric(char32_t c) {
    return is_letter(c) || is_digit(c);
}

Value is_lower_case(Call& call) {
    Arguments arguments{{call[0]}, {}};
    return invoke(call.interpreter, *find_test("lower"), arguments);
}

Value is_upper_case(Call& call) {
    Arguments arguments{{call[0]}, {}};
    return invoke(call.interpreter, *find_test("upper"), arguments);
}

/// Fills up to a width, `left` of what is missing before the text.
Value pad(Call& call, const auto& left_of) {
    const Text text = call.text(0);
    const Text fill = call.has(2) ? call.string(2) : make_ours(call.work, " ").text();
    if (count_chars(fill.bytes) != 1)
        throw Failure{"The fill character must be exactly one character long"};
    const int64_t width = call.integer(1, 0), size = int64_t(count_chars(text.bytes));
    if (size >= width) return make_string(call.work, text);
    const int64_t missing = width - size, left = left_of(missing, width);
    TextBuilder out(call.work);
    for (int64_t i = 0; i < left; i++) out.add(fill);
    out.add(text);
    for (int64_t i = left; i < missing; i++) out.add(fill);
    return make_string(call.work, out.take());
}

Value justify_left(Call& call) {
    return pad(call, [](int64_t, int64_t) { return int64_t(0); });
}
Value justify_right(Call& call) {
    return pad(call, [](int64_t missing, int64_t) { return missing; });
}
Value center(Call& call) {
    return pad(call,
               [](int64_t missing, int64_t width) { return missing / 2 + (missing & width & 1); });
}

Value fill_zeros(Call& call) {
    const Text text = call.text(0);
    const int64_t width = call.integer(1, 0), size = int64_t(count_chars(text.bytes));
    const size_t sign = text.bytes.starts_with('-') || text.bytes.starts_with('+') ? 1 : 0;
    TextBuilder out(call.work);
    out.add(text, 0, sign);
    for (int64_t i = size; i < width; i++) out.add_ours("0");
    out.add(text, sign, text.bytes.size());
    return make_string(call.work, out.take());
}

Value remove_prefix(Call& call) {
    const Text& text = call.string(0);
    const size_t begin = text.bytes.starts_with(call.string(1).bytes) ? call[1].bytes().size() : 0;
    return make_string(call.work, part_of(call.work, text, begin, text.bytes.size()));
}

Value remove_suffix(Call& call) {
    const Text& text = call.string(0);
    const size_t cut = text.bytes.ends_with(call.string(1).bytes) ? call[1].bytes().size() : 0;
    return make_string(call.work, part_of(call.work, text, 0, text.bytes.size() - cut));
}

/// The sandbox wraps format(), or a template would reach any attribute through it.
Value format(Call& call) {
    const Text text = call.all.positional[0].text();
    Arguments arguments = call.all;
    arguments.positional.erase(arguments.positional.begin());
    return make_string(call.work, format_braces(call.interpreter, text, arguments));
}

constexpr Builtin kMethods[] = {
    {"strip", "_self _chars?", strip_both},
    {"lstrip", "_self _chars?", strip_left},
    {"rstrip", "_self _chars?", strip_right},
    {"upper", "_self", upper},
    {"lower", "_self", lower},
    {"casefold", "_self", lower},
    {"capitalize", "_self", capitalize},
    {"title", "_self", title},
    {"swapcase", "_self", swap_case},
    {"replace", "_self _old _new _count?", replace},
    {"join", "_self _iterable", join},
    {"isdigit", "_self", all_are<is_digit>},
    {"isdecimal", "_self", all_are<is_decimal>},
    {"isnumeric", "_self", all_are<is_digit>},
    {"isalpha", "_self", all_are<is_letter>},
    {"isalnum", "_self", all_are<is_alphanumeric>},
    {"isspace", "_self", all_are<is_space>},
    {"islower", "_self", is_lower_case},
    {"isupper", "_self", is_upper_case},
    {"ljust", "_self _width _fill?", justify_left},
    {"rjust", "_self _width _fill?", justify_right},
    {"center", "_self _width _fill?", center},
    {"zfill", "_self _width", fill_zeros},
    {"removeprefix", "_self _prefix", remove_prefix},
    {"removesuffix", "_self _suffix", remove_suffix},
    {"format", "*", format},
};

}  // namespace

std::span<const Builtin> string_methods() {
    return kMethods;
}

}  // namespace qwend::jinja
