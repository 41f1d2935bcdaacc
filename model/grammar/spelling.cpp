#include "model/grammar/spelling.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

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

/// The characters of a set by their first bytes: which have the same behind them.
class Leads {
  public:
    explicit Leads(Languages& languages) : languages_(languages) {}
    /// What `range` has of the characters of `n` bytes. Ranges ascend.
    void add(int n, CodePointRange range);
    LanguageId all();

  private:
    /// All bytes from `first` to `last` have that behind them, and nothing else.
    void add(uint32_t first, uint32_t last, LanguageId rest);
    /// One of them has that behind it, and may have more.
    void add_some(uint32_t lead, LanguageId rest);
    void end_some();

    Languages& languages_;
    std::vector<std::pair<LanguageId, ByteSet>> leads_of_;  // by what follows them
    uint32_t lead_ = 0;                                     // that has some of what may follow it
    std::vector<LanguageId> rests_;                         // of that
};

void Leads::add(uint32_t first, uint32_t last, LanguageId rest) {
    auto at = std::ranges::find(leads_of_, rest, &std::pair<LanguageId, ByteSet>::first);
    if (at == leads_of_.end()) at = leads_of_.insert(at, {rest, {}});
    at->second |= ByteSet::range(int(first), int(last));
}

void Leads::add_some(uint32_t lead, LanguageId rest) {
    if (lead != lead_) end_some();
    lead_ = lead;
    rests_.push_back(rest);
}

void Leads::end_some() {
    if (!rests_.empty()) add(lead_, lead_, languages_.either(rests_));
    rests_.clear();
}

void Leads::add(int n, CodePointRange range) {
    constexpr uint32_t kFirst[] = {0, 0x80, 0x800, 0x10000},
                       kLast[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    const uint32_t first = std::max(range.first, kFirst[n - 1]),
                   last = std::min(range.last, kLast[n - 1]);
    if (first > last) return;
    const uint32_t size = uint32_t(1) << (6 * (n - 1)), lead = kLead[n - 1];
    const bool all_of_first = first % size == 0, all_of_last = last % size == size - 1;
    const uint32_t begin = first / size, end = last / size;
    if (begin == end && !(all_of_first && all_of_last))
        return add_some(lead + begin, continuation(languages_, n - 1, first % size, last % size));
    if (!all_of_first)
        add_some(lead + begin, continuation(languages_, n - 1, first % size, size - 1));
    const uint32_t from = begin + !all_of_first, past = end + all_of_last;
    if (from < past)
        add(lead + from, lead + past - 1, continuation(languages_, n - 1, 0, size - 1));
    if (!all_of_last) add_some(lead + end, continuation(languages_, n - 1, 0, last % size));
}

LanguageId Leads::all() {
    end_some();
    std::vector<LanguageId> parts;
    for (const auto& [rest, leads] : leads_of_)
        parts.push_back(languages_.sequence(languages_.byte_in(leads), rest));
    return languages_.either(parts);
}

/// Those that a JSON string has to escape.
CodePointSet escaped_characters() {
    CodePointSet set(0, 0x1F);
    set.add('"', '"');
    set.add('\\', '\\');
    return set;
}

/// All others.
const CodePointSet& plain_characters() {
    static const CodePointSet plain = escaped_characters().complement();
    return plain;
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
    Leads leads(languages);
    for (int n = 1; n <= 4; n++)
        for (const CodePointRange& range : set.ranges()) leads.add(n, range);
    return leads.all();
}

LanguageId json_char(Languages& languages, const CodePointSet& set) {
    static const CodePointSet escaped = escaped_characters();
    const LanguageId as_it_is = utf8_char(languages, set.intersection(plain_characters()));
    const CodePointSet to_escape = set.intersection(escaped);
    if (to_escape.empty()) return as_it_is;
    std::vector<std::string> escapes;
    for (const CodePointRange& range : to_escape.ranges())
        for (uint32_t c = range.first; c <= range.last; c++) escapes.push_back(escape(c));
    return languages.either({as_it_is, languages.one_of(std::move(escapes))});
}

namespace {

/// One of `plain` as it is, or any escape.
LanguageId plain_or_escape(Languages& languages, const CodePointSet& plain) {
    const LanguageId hex = hex_digit(languages, kHexDigits);
    // \uD800 to \uDFFF are surrogates.
    const LanguageId number = languages.either(
        {languages.sequence(hex_digit(languages, "0123456789abcefABCEF"),
                            languages.repeat(hex, 3, 3)),
         languages.sequence({hex_digit(languages, "dD"), hex_digit(languages, "01234567"),
                             languages.repeat(hex, 2, 2)})});
    return languages.either(
        {languages.spelled(plain, utf8_char),
         languages.sequence(
             languages.literal("\\"),
             languages.either({hex_digit(languages, "\"\\/bfnrt"),
                               languages.sequence(languages.literal("u"), number)}))});
}

/// The same, or an escaped pair.
LanguageId plain_or_escapes(Languages& languages, const CodePointSet& plain) {
    const LanguageId hex = hex_digit(languages, kHexDigits), d = hex_digit(languages, "dD");
    return languages.either(
        {plain_or_escape(languages, plain),
         languages.sequence({languages.literal("\\u"), d, hex_digit(languages, "89abAB"),
                             languages.repeat(hex, 2, 2), languages.literal("\\u"), d,
                             hex_digit(languages, "cdefCDEF"), languages.repeat(hex, 2, 2)})});
}

}  // namespace

LanguageId any_json_char(Languages& languages) {
    return languages.spelled(plain_characters(), plain_or_escape);
}

LanguageId any_json_char_or_pair(Languages& languages) {
    return languages.spelled(plain_characters(), plain_or_escapes);
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
