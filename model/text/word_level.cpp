#include "model/text/word_level.h"

#include <fmt/core.h>

#include "model/error.h"

namespace qwend {

WordLevel::WordLevel(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
                     std::string_view unknown, const std::string& source) {
    for (const auto& [token, id] : vocab) trie_.insert(token, id);
    unknown_ = trie_.find(unknown);
    if (unknown_ < 0)
        throw LoadError(
            fmt::format("{}: model: unk_token \"{}\" is not in the vocabulary", source, unknown));
}

void WordLevel::encode(std::string_view word, std::vector<int32_t>& ids) const {
    const int32_t id = trie_.find(word);
    ids.push_back(id < 0 ? unknown_ : id);
}

}  // namespace qwend
