#include "model/grammar/through.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace qwend::grammar {

namespace {

/// The bytes that a character of more than one may begin with, and what may be its second; of those
/// that begin with E2 80, none.
/// Source: The Unicode Standard 15, table 3-7.
struct Lead {
    uint8_t first, last, n_more, second_first, second_last;
};
constexpr Lead kLeads[] = {
    {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF}, {0xE1, 0xE1, 2, 0x80, 0xBF},
    {0xE2, 0xE2, 2, 0x81, 0xBF}, {0xE3, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F},
    {0xEE, 0xEF, 2, 0x80, 0xBF}, {0xF0, 0xF0, 3, 0x90, 0xBF}, {0xF1, 0xF3, 3, 0x80, 0xBF},
    {0xF4, 0xF4, 3, 0x80, 0x8F},
};

constexpr uint32_t kOfMany =
    characters::kLower | characters::kUpper | characters::kNonAscii;  // tokens
constexpr size_t kMostAtOnce = 64;      // languages behind as many characters
constexpr uint32_t kFewCharacters = 8;  // as many lead in a circle, or the language counts
constexpr size_t kMostWork = 60'000;    // derivatives; what was found out serves the next mask

/// The bytes of each group of ASCII characters.
const std::array<std::string, characters::kNumber>& bytes_of_groups() {
    static const auto all = [] {
        std::array<std::string, characters::kNumber> out;
        for (int byte = 0; byte < 0x80; byte++)
            out[size_t(std::countr_zero(characters::group_of(uint8_t(byte))))] += char(byte);
        return out;
    }();
    return all;
}

void take_once(std::vector<LanguageId>& languages) {
    std::ranges::sort(languages);
    languages.erase(std::unique(languages.begin(), languages.end()), languages.end());
}

}  // namespace

void ThroughFinder::take_once(std::vector<Behind::To>& all) {
    std::ranges::sort(all);
    size_t n = 0;
    for (const Behind::To& to : all) {
        if (n > 0 && all[n - 1].language == to.language)
            all[n - 1].by |= to.by;
        else
            all[n++] = to;
    }
    all.resize(n);
}

const Through ThroughFinder::kNone;

void ThroughFinder::allow_work() {
    const size_t work = languages_.work_left();
    least_work_ = work - std::min(work, kMostWork);
}

const Through& ThroughFinder::of(LanguageId language) {
    const auto known = known_.find(language);
    if (known != known_.end()) return known->second;
    if (is_out_of_work()) return kNone;
    const Through through = find(language);
    if (is_out_of_work()) return kNone;
    n_bytes_ += sizeof(Through) + 64;
    return known_[language] = through;
}

Through ThroughFinder::find(LanguageId language) {
    Through through;
    through.groups = likely_groups(language);
    while (through.groups & kOfMany) {
        const uint32_t bad = walk(language, through);
        if (!bad) return through;
        through.groups &= ~bad;
        if (!(through.groups & characters::kNonAscii))
            through.groups &= ~(characters::kSeparators | characters::kCut);
    }
    return {};
}

/// Looks at one character of each.
uint32_t ThroughFinder::likely_groups(LanguageId language) {
    uint32_t groups = 0;
    for (const char c : std::string_view("aA"))
        if (languages_.after(language, uint8_t(c)) != Languages::kNothing)
            groups |= characters::group_of(uint8_t(c));
    if (languages_.after(languages_.after(language, 0xC3), 0xA9) != Languages::kNothing)
        groups |= characters::kNonAscii | characters::kCut | characters::kSeparators;
    if (!groups) return 0;
    for (const char c : std::string_view("\n0\"\\ _-./:<!"))
        if (languages_.after(language, uint8_t(c)) != Languages::kNothing)
            groups |= characters::group_of(uint8_t(c));
    return groups;
}

/// Character by character. The groups without which there may be more, if some lead to nothing.
uint32_t ThroughFinder::walk(LanguageId language, Through& through) {
    through.n_most = kUnbounded;
    through.may_end = false, through.always_ends = true;
    std::vector<Behind::To> here{{language, kOfMany}}, next;
    std::vector<LanguageId> seen{language};
    bool in_circles = false;
    for (uint32_t n = 0; !here.empty(); n++) {
        if (n == vocabulary_.max_word() && !(through.groups & ~characters::kWord)) break;
        if (n == kFewCharacters && through.groups & ~characters::kWord)
            return through.groups & ~characters::kWord;
        uint32_t bad = 0, alive = 0;
        next.clear();
        for (const Behind::To& from : here) {
            const Behind* of = behind(from.language, through.groups);
            if (!of) return through.groups;
            alive |= of->alive;
            // As the quote that ends a string, or a backslash.
            if (of->dead) bad |= from.by & kOfMany ? of->dead : from.by;
            next.insert(next.end(), of->to.begin(), of->to.end());
        }
        if (bad && !alive && n > 0 && !in_circles) {
            through.n_most = n;
            return 0;
        }
        take_once(next);
        if (bad || next.size() > kMostAtOnce) return bad ? bad : through.groups;
        here.clear();
        for (const Behind::To& to : next) {
            const bool ends = languages_.has_empty(to.language);
            through.may_end |= ends, through.always_ends &= ends;
            if (std::ranges::find(seen, to.language) != seen.end()) {
                in_circles = true;
                continue;
            }
            here.push_back(to);
            seen.push_back(to.language);
        }
    }
    return 0;
}

/// nullptr if that would take too long.
const ThroughFinder::Behind* ThroughFinder::behind(LanguageId language, uint32_t groups) {
    Behind& known = behind_[language];
    if (known.asked == groups) return &known;
    n_bytes_ += known.asked ? 0 : sizeof(Behind) + 96;
    Behind out;
    out.asked = groups;
    for (uint32_t left = groups & (characters::kSeparators - 1); left; left &= left - 1) {
        const uint32_t group = left & -left;
        for (const char c : bytes_of_groups()[size_t(std::countr_zero(group))]) {
            if (is_out_of_work()) return nullptr;
            const LanguageId to = languages_.after(language, uint8_t(c));
            (to == Languages::kNothing ? out.dead : out.alive) |= group;
            const Behind::To known{to, group};
            if (to != Languages::kNothing && (out.to.empty() || out.to.back() != known))
                out.to.push_back(known);
        }
    }
    if (groups & characters::kNonAscii) add_longer(language, groups, out);
    if (is_out_of_work()) return nullptr;
    take_once(out.to);
    known = std::move(out);
    return &known;
}

/// The same of characters of more than one byte.
void ThroughFinder::add_longer(LanguageId language, uint32_t groups, Behind& out) {
    using namespace characters;
    auto after = [&](LanguageId from, int byte) { return languages_.after(from, uint8_t(byte)); };
    auto add = [&](LanguageId to, uint32_t group) {
        (to == Languages::kNothing ? out.dead : out.alive) |= group;
        if (to != Languages::kNothing) out.to.push_back({to, group});
    };
    // U+2028 and U+2029, which `.` leaves out, and what else begins as they do.
    const LanguageId before_separator = after(after(language, 0xE2), 0x80);
    for (int byte = 0x80; byte <= 0xBF; byte++) {
        const bool is_separator = byte == 0xA8 || byte == 0xA9;
        if (!is_separator || (groups & kSeparators))
            add(after(before_separator, byte), is_separator ? kSeparators : kNonAscii);
    }
    std::vector<LanguageId> here, next;
    for (const Lead& lead : kLeads) {
        if (is_out_of_work()) return;
        here.clear();
        for (int byte = lead.first; byte <= lead.last; byte++) {
            here.push_back(after(language, byte));
            if (here.back() != Languages::kNothing) out.alive |= kCut;
        }
        for (int i = 0; i < lead.n_more; i++) {
            grammar::take_once(here);
            next.clear();
            for (const LanguageId from : here)
                for (int byte = i ? 0x80 : lead.second_first; byte <= (i ? 0xBF : lead.second_last);
                     byte++)
                    next.push_back(after(from, byte));
            std::swap(here, next);
        }
        grammar::take_once(here);
        for (const LanguageId to : here) add(to, kNonAscii);
    }
    // One that is cut leads somewhere if all that begin like it do.
    if (out.dead & kNonAscii) out.dead |= kCut;
}

}  // namespace qwend::grammar
