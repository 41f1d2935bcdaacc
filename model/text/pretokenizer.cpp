#include "model/text/pretokenizer.h"

#include <utf8proc.h>

#include <array>

#include "model/utf8.h"

namespace qwend {

namespace {

/// What the regex tells apart: \p{L}, \p{N}, [\r\n], the rest of \s, everything else.
enum class CharClass : uint8_t { letter, number, newline, space, other };

CharClass classify_unicode(int32_t c) {
    if (is_white_space(c)) return CharClass::space;
    if (is_letter(c)) return CharClass::letter;
    switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_NO:
            return CharClass::number;
        default:
            return CharClass::other;
    }
}

constexpr std::array<CharClass, 128> make_ascii_classes() {
    std::array<CharClass, 128> classes{};
    for (int c = 0; c < 128; c++) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        classes[c] = letter                            ? CharClass::letter
                     : c >= '0' && c <= '9'            ? CharClass::number
                     : c == '\r' || c == '\n'          ? CharClass::newline
                     : c == ' ' || (c >= 9 && c <= 12) ? CharClass::space
                                                       : CharClass::other;
    }
    return classes;
}
constexpr std::array<CharClass, 128> kAsciiClasses = make_ascii_classes();

struct ClassedChar {
    CharClass cls = CharClass::other;
    int length = 0;  // bytes; 0 at the end
};

ClassedChar class_at(std::string_view text, size_t at) {
    if (at >= text.size()) return {};
    if (uint8_t byte = uint8_t(text[at]); byte < 0x80) return {kAsciiClasses[byte], 1};
    DecodedChar c = utf8_at(text, at);
    return {c.valid ? classify_unicode(c.code_point) : CharClass::other, c.length};
}

size_t skip(std::string_view text, size_t at, CharClass cls) {
    for (ClassedChar c; (c = class_at(text, at)).length && c.cls == cls;) at += c.length;
    return at;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d) at an apostrophe: its end, or `at` if it does not match. U+017F,
/// the long s, folds to s.
size_t contraction_end(std::string_view text, size_t at) {
    auto lower = [&](size_t i) { return i < text.size() ? char(text[i] | 0x20) : '\0'; };
    const char a = lower(at + 1), b = lower(at + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
    if (text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
    return at;
}

/// \s*[\r\n]+ | \s+(?!\S) | \s+ at a whitespace character.
size_t whitespace_end(std::string_view text, size_t begin) {
    size_t at = begin, last = begin, after_newline = begin;
    for (ClassedChar c; (c = class_at(text, at)).length;) {
        if (c.cls != CharClass::newline && c.cls != CharClass::space) break;
        last = at;
        at += c.length;
        if (c.cls == CharClass::newline) after_newline = at;
    }
    if (after_newline > begin) return after_newline;
    // Before a word the last space is left to it, unless it is the only one.
    return at < text.size() && last > begin ? last : at;
}

size_t symbols_end(std::string_view text, size_t at) {
    at = skip(text, at, CharClass::other);
    return skip(text, at, CharClass::newline);
}

}  // namespace

bool is_white_space(int32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

size_t pretoken_end(std::string_view text, size_t begin) {
    if (text[begin] == '\'')
        if (size_t end = contraction_end(text, begin); end != begin) return end;
    const ClassedChar first = class_at(text, begin);
    const size_t second_at = begin + first.length;
    if (first.cls == CharClass::letter) return skip(text, second_at, CharClass::letter);
    if (first.cls == CharClass::number) return second_at;
    const ClassedChar second = class_at(text, second_at);
    if (first.cls != CharClass::newline && second.length && second.cls == CharClass::letter)
        return skip(text, second_at, CharClass::letter);
    if (first.cls == CharClass::other) return symbols_end(text, begin);
    if (text[begin] == ' ' && second.length && second.cls == CharClass::other)
        return symbols_end(text, second_at);
    return whitespace_end(text, begin);
}

bool is_letter(int32_t c) {
    switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_LU:
        case UTF8PROC_CATEGORY_LL:
        case UTF8PROC_CATEGORY_LT:
        case UTF8PROC_CATEGORY_LM:
        case UTF8PROC_CATEGORY_LO:
            return true;
        default:
            return false;
    }
}

}  // namespace qwend
