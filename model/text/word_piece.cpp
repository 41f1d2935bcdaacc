#include "model/text/word_piece.h"

#include <fmt/core.h>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

bool has_more_characters(std::string_view word, size_t most) {
    if (word.size() <= most) return false;
    size_t n = 0;
    for (size_t at = 0; at < word.size() && n <= most; n++) at += size_t(utf8_at(word, at).length);
    return n > most;
}

}  // namespace

WordPiece::WordPiece(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
                     std::string_view unknown, std::string_view prefix, size_t most_characters,
                     const std::string& source)
    : most_characters_(most_characters) {
    for (const auto& [token, id] : vocab) trie_.insert(token, id);
    continued_ = trie_.descend(0, prefix);
    unknown_ = trie_.find(unknown);
    if (unknown_ < 0)
        throw LoadError(
            fmt::format("{}: model: unk_token \"{}\" is not in the vocabulary", source, unknown));
}

/// False if there is a part that no token has.
bool WordPiece::append_tokens(std::string_view word, std::vector<int32_t>& ids) const {
    for (size_t at = 0; at < word.size();) {
        int32_t node = at == 0 ? 0 : continued_, longest = -1;
        size_t next = at;
        for (size_t end = at; end < word.size() && node >= 0;) {
            node = trie_.child(node, uint8_t(word[end++]));
            if (const int32_t id = trie_.id(node); id >= 0) longest = id, next = end;
        }
        if (longest < 0) return false;
        ids.push_back(longest);
        at = next;
    }
    return true;
}

void WordPiece::encode(std::string_view word, std::vector<int32_t>& ids) const {
    const size_t first = ids.size();
    if (!has_more_characters(word, most_characters_) && append_tokens(word, ids)) return;
    ids.resize(first);
    ids.push_back(unknown_);
}

}  // namespace qwend
