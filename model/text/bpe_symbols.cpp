#include "model/text/bpe_symbols.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/text/byte_alphabet.h"
#include "model/text/code_points.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kLongestCharacter = 4;      // bytes
constexpr size_t kContinues = 1, kEnds = 2;  // bits of what a symbol does in its word

int32_t find(const BpeSymbols::Vocabulary& vocabulary, std::string_view token) {
    const auto found = vocabulary.find(token);
    return found == vocabulary.end() ? -1 : found->second;
}

/// The one character between the affixes; -1 if there are none or more, or other affixes.
int32_t only_character(std::string_view token, std::string_view prefix, std::string_view suffix) {
    const size_t n_affixes = prefix.size() + suffix.size();
    if (token.size() <= n_affixes || token.size() > n_affixes + kLongestCharacter ||
        !token.starts_with(prefix) || !token.ends_with(suffix))
        return -1;
    token.remove_prefix(prefix.size()), token.remove_suffix(suffix.size());
    const DecodedChar c = utf8_at(token, 0);
    return c.valid && size_t(c.length) == token.size() ? c.code_point : -1;
}

}  // namespace

/// Unknown characters whose token has not been appended yet: it waits for those that join it.
struct BpeSymbols::Pending {
    const BpeSymbols& symbols;
    std::vector<int32_t>& ids;
    bool has_any = false;

    void flush() {
        if (has_any) ids.push_back(symbols.unknown_);
        has_any = false;
    }
    void add() {
        if (!symbols.spelling_.fuse_unknown) flush();
        has_any = symbols.unknown_ >= 0;
    }
};

BpeSymbols::BpeSymbols(const Vocabulary& vocabulary, const BpeSpelling& spelling)
    : spelling_(spelling),
      unknown_(spelling.unknown.empty() ? -1 : find(vocabulary, spelling.unknown)) {
    const bool has_affixes = !spelling.prefix.empty() || !spelling.suffix.empty();
    for (size_t form = 0; form < ids_.size(); form++) {
        const std::string_view prefix = form & kContinues ? spelling.prefix : std::string_view();
        const std::string_view suffix = form & kEnds ? spelling.suffix : std::string_view();
        if (form > 0 && !has_affixes) break;
        for (const auto& [token, id] : vocabulary)
            if (const int32_t c = only_character(token, prefix, suffix); c >= 0)
                ids_[form].emplace(c, id);
    }
    auto fill = [&](auto&& id_of) {
        for (size_t b = 0; b < byte_ids_.size(); b++) byte_ids_[b] = id_of(b);
        return std::ranges::min(byte_ids_) >= 0;
    };
    is_whole_ = spelling.is_byte_level && !has_affixes && fill([&](size_t b) {
                    const auto known = ids_[0].find(byte_alphabet()[b]);
                    return known == ids_[0].end() ? -1 : known->second;
                });
    if (!is_whole_) fill([&](size_t b) { return find(vocabulary, fmt::format("<0x{:02X}>", b)); });
}

/// False, and nothing appended, if a byte has no token.
bool BpeSymbols::append_bytes(std::string_view own, bool is_first, bool is_last,
                              std::vector<int32_t>& ids) const {
    if (!spelling_.byte_fallback) return false;
    const size_t begin = ids.size();
    auto append = [&](std::string_view bytes) {
        for (const char byte : bytes) ids.push_back(byte_ids_[uint8_t(byte)]);
    };
    if (!is_first) append(spelling_.prefix);
    append(own);
    if (is_last) append(spelling_.suffix);
    if (std::find(ids.begin() + std::ptrdiff_t(begin), ids.end(), -1) == ids.end()) return true;
    ids.resize(begin);
    return false;
}

void BpeSymbols::append(std::string_view word, std::vector<int32_t>& ids) const {
    if (is_whole_) {
        for (const char byte : word) ids.push_back(byte_ids_[uint8_t(byte)]);
        return;
    }
    Pending pending{*this, ids};
    std::string letter;
    for (size_t at = 0, end = 0; at < word.size(); at = end) {
        DecodedChar c = utf8_at(word, at);
        std::string_view own = word.substr(at, size_t(c.length));
        if (spelling_.is_byte_level) {
            c = {byte_alphabet()[uint8_t(word[at])], 1, true};
            letter.clear();
            append_code_point(letter, c.code_point);
            own = letter;
        }
        end = at + size_t(c.length);
        const bool is_first = at == 0, is_last = end == word.size();
        const size_t form = (is_first || spelling_.prefix.empty() ? 0 : kContinues) |
                            (is_last && !spelling_.suffix.empty() ? kEnds : 0);
        const auto known = ids_[form].find(c.valid ? c.code_point : -1);
        if (known != ids_[form].end()) {
            pending.flush();
            ids.push_back(known->second);
        } else if (!append_bytes(own, is_first, is_last, ids)) {
            pending.add();
        }
    }
    pending.flush();
}

}  // namespace qwend
