#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/byte_trie.h"

namespace qwend {

/// SentencePiece's unigram model (Kudo 2018, arXiv:1804.10959): a word is the row of pieces whose
/// scores sum up highest. Immutable once made; safe to use from any thread.
class Unigram {
  public:
    /// `pieces`: texts and their scores, by id. `unknown`: the id of a character that no piece has.
    /// Throws LoadError naming `source` if that is no id.
    Unigram(const std::vector<std::pair<std::string_view, double>>& pieces,
            std::optional<int32_t> unknown, bool byte_fallback, const std::string& source);

    /// No text is one of these ids (ascending) any more.
    void leave_out(const std::vector<int32_t>& ids) { trie_.leave_out(ids); }

    /// Appends the ids of one word, in time linear in its length, as Hugging Face's tokenizers
    /// makes them: a row of unknown characters is one, and bytes where these have tokens.
    void encode(std::string_view word, std::vector<int32_t>& ids) const;

  private:
    struct Step;
    std::vector<Step> best_steps(std::string_view word) const;
    void append_unknown(std::string_view text, std::vector<int32_t>& ids) const;

    ByteTrie trie_;
    std::vector<double> scores_;  // by id
    double unknown_score_ = 0;
    int32_t unknown_ = -1;
    std::array<int32_t, 256> byte_ids_{};  // of <0x00> and so on; -1: none
};

}  // namespace qwend
