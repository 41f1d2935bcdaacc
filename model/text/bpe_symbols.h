#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qwend {

/// How a vocabulary spells words, by the fields of a tokenizer.json's model.
struct BpeSpelling {
    bool is_byte_level = true;   // in GPT-2's alphabet, byte by byte; else character by character
    bool byte_fallback = false;  // a character without a token is <0xE4> and so on, byte by byte
    bool fuse_unknown = false;   // a row of characters without tokens is one unknown token
    std::string unknown = {};    // the token for one; empty: it is left out
    std::string prefix = {};     // of every symbol but a word's first ("##")
    std::string suffix = {};     // of a word's last symbol ("</w>")
};

/// What merging begins with: a word, character by character, as ids. Immutable.
class BpeSymbols {
  public:
    using Vocabulary = std::unordered_map<std::string_view, int32_t>;
    BpeSymbols(const Vocabulary& vocabulary, const BpeSpelling& spelling);

    /// Appends the ids of a word, which need not be UTF-8, as Hugging Face's tokenizers makes them.
    void append(std::string_view word, std::vector<int32_t>& ids) const;

  private:
    struct Pending;
    bool append_bytes(std::string_view own, bool is_first, bool is_last,
                      std::vector<int32_t>& ids) const;

    BpeSpelling spelling_;
    // By character, of symbols that begin a word and others (1), that end it and others (2).
    std::array<std::unordered_map<int32_t, int32_t>, 4> ids_;
    std::array<int32_t, 256> byte_ids_{};  // of <0x00> and so on, or, if is_whole_, of the alphabet
    int32_t unknown_ = -1;
    bool is_whole_ = false;  // every byte has a token, which is all there is to ask
};

}  // namespace qwend
