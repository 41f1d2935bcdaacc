#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/byte_trie.h"

namespace qwend {

/// A vocabulary of whole words. Immutable once made; safe to use from any thread.
class WordLevel {
  public:
    /// `vocab`: token → id. Throws LoadError naming `source` if the unknown token is none of them:
    /// a text with an unknown word would have no ids.
    WordLevel(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
              std::string_view unknown, const std::string& source);

    /// No text is one of these ids (ascending) any more.
    void leave_out(const std::vector<int32_t>& ids) { trie_.leave_out(ids); }

    /// Appends the id of one word, or of the unknown token.
    void encode(std::string_view word, std::vector<int32_t>& ids) const;

  private:
    ByteTrie trie_;
    int32_t unknown_ = -1;
};

}  // namespace qwend
