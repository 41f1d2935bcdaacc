#include "model/grammar/spelling.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "model/utf8.h"

namespace qwend::grammar {

namespace {

/// `n` continuation bytes that hold a value from `first` to `last`.
LanguageId continuation(Languages& languages, int n, uint32_t first, uint32_t last) {
    if (n == 0) return Languages::kEmpty;
    const uint32_t size = uint32_t(1) << (6 * (n - 1));  // values of the bytes after this one
    std::vector<LanguageId> parts;
    for (uint32_t lead = first / size; lead <= last / size;) {
        const uint32_t from = lead == first / size ? first % size : 0;
        uint32_t past = lead + 1;
        uint32_t to = lead == last / size ? last % size : size - 1;
        if (from == 0 && to == size - 1)  // as many as have the same rest
            while (past < last / size || (past == last / size && last % size == size - 1)) past++;
        parts.push_back(languages.sequence(
            languages.byte_in(ByteSet::range(int(0x80 + lead), int(0x80 + past - 1))),
            continuation(languages, n - 1, from, to)));
        lead = past;
    }
    return languages.either(std::move(parts));
}

/// Adds what `range` has of the characters of `n` bytes, by their first byte.
void add_leads(Languages& languages, int n, CodePointRange range,
               std::array<std::vector<LanguageId>, 256>& rests) {
    constexpr uint32_t kFirst[] = {0, 0x80, 0x800, 0x10000},
                       kLast[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    const uint32_t first = std::max(range.first, kFirst[n - 1]),
                   last = std::min(range.last, kLast[n - 1]);
    if (first > last) return;
    const uint32_t size = uint32_t(1) << (6 * (n - 1));
    for (uint32_t lead = first / size; lead <= last / size; lead++)
        rests[kLead[n - 1] + lead].push_back(
            continuation(languages, n - 1, lead == first / size ? first % size : 0,
                         lead == last / size ? last % size : size - 1));
}

/// Those that a JSON string has to escape.
CodePointSet escaped_characters() {
    CodePointSet set(0, 0x1F);
    set.add('"', '"');
    set.add('\\', '\\');
    return set;
}

/// The character after the backslash; 0: there is none but the number.
char short_escape(uint32_t code_point) {
    switch (code_point) {
        case '"':
            return '"';
        case '\\':
            return '\\';
        case '\b':
            return 'b';
        case '\f':
            return 'f';
        case '\n':
            return 'n';
        case '\r':
            return 'r';
        case '\t':
            return 't';
        default:
            return 0;
    }
}

std::string escape(uint32_t code_point) {
    if (const char c = short_escape(code_point)) return {'\\', c};
    return fmt::format("\\u{:04x}", code_point);
}

LanguageId hex_digit(Languages& languages, std::string_view digits) {
    ByteSet set;
    for (const char c : digits) set.add(uint8_t(c));
    return languages.byte_in(set);
}

constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";

}  // namespace

LanguageId utf8_char(Languages& languages, const CodePointSet& set) {
    std::array<std::vector<LanguageId>, 256> rests;
    std::map<LanguageId, ByteSet> leads_of;  // by what follows them
    for (const CodePointRange& range : set.ranges())
        for (int n = 1; n <= 4; n++) add_leads(languages, n, range, rests);
    for (size_t lead = 0; lead < rests.size(); lead++)
        if (!rests[lead].empty())
            leads_of[languages.either(std::move(rests[lead]))].add(uint8_t(lead));
    std::vector<LanguageId> parts;
    for (const auto& [rest, leads] : leads_of)
        parts.push_back(languages.sequence(languages.byte_in(leads), rest));
    return languages.either(std::move(parts));
}

LanguageId json_char(Languages& languages, const CodePointSet& set) {
    const CodePointSet escaped = escaped_characters();
    std::vector<LanguageId> parts{utf8_char(languages, set.intersection(escaped.complement()))};
    std::vector<std::string> escapes;
    const CodePointSet to_escape = set.intersection(escaped);
    for (const CodePointRange& range : to_escape.ranges())
        for (uint32_t c = range.first; c <= range.last; c++) escapes.push_back(escape(c));
    parts.push_back(languages.one_of(std::move(escapes)));
    return languages.either(std::move(parts));
}

LanguageId any_json_char(Languages& languages) {
    const LanguageId hex = hex_digit(languages, kHexDigits);
    // \uD800 to \uDFFF are surrogates.
    const LanguageId number = languages.either(
        {languages.sequence(hex_digit(languages, "0123456789abcefABCEF"),
                            languages.repeat(hex, 3, 3)),
         languages.sequence({hex_digit(languages, "dD"), hex_digit(languages, "01234567"),
                             languages.repeat(hex, 2, 2)})});
    return languages.either(
        {utf8_char(languages, escaped_characters().complement()),
         languages.sequence(
             languages.literal("\\"),
             languages.either({hex_digit(languages, "\"\\/bfnrt"),
                               languages.sequence(languages.literal("u"), number)}))});
}

LanguageId any_json_char_or_pair(Languages& languages) {
    const LanguageId hex = hex_digit(languages, kHexDigits), d = hex_digit(languages, "dD");
    return languages.either(
        {any_json_char(languages),
         languages.sequence({languages.literal("\\u"), d, hex_digit(languages, "89abAB"),
                             languages.repeat(hex, 2, 2), languages.literal("\\u"), d,
                             hex_digit(languages, "cdefCDEF"), languages.repeat(hex, 2, 2)})});
}

std::string json_body(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        if (c.valid && (c.code_point < 0x20 || c.code_point == '"' || c.code_point == '\\'))
            out += escape(uint32_t(c.code_point));
        else
            out += text.substr(at, size_t(c.length));
        at += size_t(c.length);
    }
    return out;
}

}  // namespace qwend::grammar
