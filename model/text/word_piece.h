#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/byte_trie.h"

namespace qwend {

/// BERT's WordPiece (Devlin et al. 2019, arXiv:1810.04805): a word is the longest token that begins
/// it, then the longest that goes on, which are spelled behind a prefix ("##"). Immutable once
/// made; safe to use from any thread.
class WordPiece {
  public:
    /// `vocab`: token → id. A word of more characters than `most_characters` is unknown. Throws
    /// LoadError naming `source` if the unknown token is none of the vocabulary: a text with an
    /// unknown word would have no ids.
    WordPiece(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
              std::string_view unknown, std::string_view prefix, size_t most_characters,
              const std::string& source);

    /// No text is one of these ids (ascending) any more.
    void leave_out(const std::vector<int32_t>& ids) { trie_.leave_out(ids); }

    /// Appends the ids of one word as Hugging Face's tokenizers makes them: a word that is not all
    /// tokens is one unknown token. Takes time as the word's length times that of the longest
    /// token.
    void encode(std::string_view word, std::vector<int32_t>& ids) const;

  private:
    bool append_tokens(std::string_view word, std::vector<int32_t>& ids) const;

    ByteTrie trie_;
    int32_t continued_ = -1;  // the node of the prefix; -1: no token goes on
    int32_t unknown_ = -1;
    size_t most_characters_;
};

}  // namespace qwend
