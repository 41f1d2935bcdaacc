#include "model/grammar/regex_escape.h"

#include <fmt/format.h>

#include <string>

#include "model/grammar/syntax.h"
#include "model/grammar/unicode_sets.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

RegexEscape code_point_escape(uint32_t code_point) {
    return {RegexEscape::Kind::code_point, code_point, nullptr};
}

RegexEscape set_escape(const NamedSet& named, bool negated) {
    return {RegexEscape::Kind::set, 0, negated ? &named.complement : &named.set};
}

/// \u{…}, behind its u.
uint32_t read_braced(PatternReader& reader, size_t begin) {
    uint32_t value = 0;
    const size_t digits = ++reader.at;
    for (; hex_value(reader.peek()) >= 0; reader.at++) {
        value = value * 16 + uint32_t(hex_value(reader.peek()));
        if (value > kMaxCodePoint) reader.fail(begin, "\\u{…} is above 10FFFF");
    }
    if (reader.at == digits || !reader.take("}"))
        reader.fail(begin, "\\u{ is not followed by hexadecimal digits and a }");
    return value;
}

/// \uHHHH, behind its u; two of them that are a surrogate pair are one character.
uint32_t read_unicode(PatternReader& reader, size_t begin) {
    if (reader.peek() == '{') return read_braced(reader, begin);
    const uint32_t high = reader.take_hex(4, begin);
    if (high < 0xD800 || high > 0xDBFF || !reader.looking_at("\\u")) return high;
    PatternReader ahead = reader;
    ahead.at += 2;
    for (size_t i = 0; i < 4; i++)
        if (hex_value(ahead.peek(i)) < 0) return high;
    const uint32_t low = ahead.take_hex(4, reader.at);
    if (low < 0xDC00 || low > 0xDFFF) return high;
    reader.at = ahead.at;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/// \p{…} and \P{…}, behind their letter.
const NamedSet& read_property(PatternReader& reader, size_t begin) {
    static const NamedSet any{CodePointSet::all(), {}};
    static const NamedSet ascii{CodePointSet(0, 0x7F), CodePointSet(0x80, kMaxCodePoint)};
    const size_t close = reader.text.find('}', reader.at);
    if (!reader.take("{") || close == std::string_view::npos)
        reader.fail(begin,
                    fmt::format("{} is not followed by a name in braces", reader.since(begin)));
    std::string_view name = reader.text.substr(reader.at, close - reader.at);
    reader.at = close + 1;
    if (name == "Any") return any;
    if (name == "ASCII") return ascii;
    for (const std::string_view prefix : {"General_Category=", "gc="}) {
        if (!name.starts_with(prefix)) continue;
        name.remove_prefix(prefix.size());
        break;
    }
    if (const NamedSet* set = general_category(name)) return *set;
    reader.fail(begin,
                fmt::format("{} is not supported: only general categories are, Any and ASCII",
                            reader.since(begin)));
}

/// A digit behind the backslash, where it is.
RegexEscape read_digits(PatternReader& reader, size_t begin, bool in_class) {
    const bool is_zero = reader.peek() == '0';
    const size_t digits = reader.at;
    while (is_digit(reader.peek())) reader.at++;
    if (is_zero && reader.at == digits + 1) return code_point_escape(0);
    reader.fail(begin, fmt::format("the {} {} is not supported",
                                   is_zero || in_class ? "octal escape" : "back-reference",
                                   reader.since(begin)));
}

/// A letter that stands for something it is not in a class.
RegexEscape read_assertion(PatternReader& reader, size_t begin, char letter) {
    switch (letter) {
        case 'A':
            return {RegexEscape::Kind::text_begin, 0, nullptr};
        case 'z':
        case 'Z':
            return {RegexEscape::Kind::text_end, 0, nullptr};
        case 'b':
        case 'B':
            reader.fail(begin, fmt::format("the word boundary \\{} is not supported", letter));
        case 'k':
        case 'g':
            reader.fail(begin, fmt::format("the back-reference \\{} is not supported", letter));
        default:
            reader.fail(begin, fmt::format("\\{} has no meaning", letter));
    }
}

}  // namespace

bool PatternReader::take(std::string_view what) {
    if (!looking_at(what)) return false;
    at += what.size();
    return true;
}

uint32_t PatternReader::take_code_point() {
    const DecodedChar decoded = utf8_at(text, at);
    at += size_t(decoded.length);
    return uint32_t(decoded.code_point);
}

uint32_t PatternReader::take_hex(size_t digits, size_t begin) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++, at++) {
        const int digit = hex_value(peek());
        if (digit < 0)
            fail(begin, fmt::format("\\{} is not followed by {} hexadecimal digits",
                                    text[begin + 1], digits));
        value = value * 16 + uint32_t(digit);
    }
    return value;
}

void PatternReader::fail(size_t offset, std::string_view what) const {
    throw GrammarError(fmt::format("regex, byte {}: {}", offset, what));
}

std::string PatternReader::since(size_t begin) const {
    return excerpt(text.substr(begin, at - begin));
}

RegexEscape read_escape(PatternReader& reader, bool in_class, bool ignore_case) {
    const size_t begin = reader.at++;
    if (reader.done()) reader.fail(begin, "a backslash ends the pattern");
    const char c = reader.peek();
    if (is_digit(c)) return read_digits(reader, begin, in_class);
    if (!is_letter(c)) return code_point_escape(reader.take_code_point());
    reader.at++;
    switch (c) {
        case 't':
            return code_point_escape('\t');
        case 'n':
            return code_point_escape('\n');
        case 'v':
            return code_point_escape('\v');
        case 'f':
            return code_point_escape('\f');
        case 'r':
            return code_point_escape('\r');
        case 'd':
        case 'D':
            return set_escape(decimal_digits(), c == 'D');
        case 'w':
        case 'W':
            return set_escape(word_characters(ignore_case), c == 'W');
        case 's':
        case 'S':
            return set_escape(white_space(), c == 'S');
        case 'p':
        case 'P':
            return set_escape(read_property(reader, begin), c == 'P');
        case 'x':
            return code_point_escape(reader.take_hex(2, begin));
        case 'u':
            return code_point_escape(read_unicode(reader, begin));
        case 'c':
            if (!is_letter(reader.peek())) reader.fail(begin, "\\c is not followed by a letter");
            return code_point_escape(uint32_t(reader.text[reader.at++]) & 31);
        default:
            break;
    }
    if (!in_class) return read_assertion(reader, begin, c);
    if (c == 'b') return code_point_escape('\b');
    reader.fail(begin, fmt::format("\\{} has no meaning in a class", c));
}

}  // namespace qwend::grammar
