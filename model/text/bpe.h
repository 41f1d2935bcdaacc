#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qwend {

/// Byte-level byte-pair encoding: bytes to ids by merging neighbours in order of rank.
/// Source: Sennrich et al. 2016 (arXiv:1508.07909); the byte alphabet is GPT-2's.
class Bpe {
  public:
    /// `vocab`: token in the byte alphabet → id. `merges`: pairs in order of rank. Throws LoadError
    /// naming `source`: a missing byte, or a merge whose parts or result are not in the vocabulary.
    /// A token with a character outside the alphabet stands for itself, and no text is encoded as
    /// it, as with Hugging Face's. `ignore_merges` as Hugging Face's
    /// tokenizers has it: a pre-token that is in the vocabulary is that token, whatever merges
    /// would make of it.
    Bpe(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
        const std::vector<std::pair<std::string_view, std::string_view>>& merges,
        const std::string& source, bool ignore_merges = false);

    /// Appends the ids of one pre-token, in time linear in its length.
    void encode(std::string_view word, std::vector<int32_t>& ids) const;

    /// The bytes of every id; ids that the vocabulary skips are empty.
    std::vector<std::string>& token_bytes() { return token_bytes_; }
    const std::vector<std::string>& token_bytes() const { return token_bytes_; }

  private:
    struct Merge {
        uint64_t pair = UINT64_MAX;  // left id << 32 | right id
        int32_t rank = 0;
        int32_t result = 0;
    };
    struct Symbol {
        int32_t id, previous, next;  // previous: -1 at the beginning; next: the size at the end
        int32_t rank, result;        // of the merge with `next`; rank -1: none
    };
    struct Scratch {
        std::vector<Symbol> symbols;  // by the place of their first byte
        std::vector<uint64_t> heap;
    };
    const Merge* find_merge(int32_t left, int32_t right) const;
    void insert_merge(Merge merge);
    void encode_short(std::string_view word, std::vector<int32_t>& ids) const;
    void encode_long(std::string_view word, std::vector<int32_t>& ids) const;
    /// Appends those tokens of the encoding of `text` that begin before `keep`; returns where the
    /// last of them ends.
    size_t merge_window(std::string_view text, size_t keep, Scratch& scratch,
                        std::vector<int32_t>& ids) const;
    /// Whether the text of two tokens is encoded as the two.
    bool is_border(int32_t left, int32_t right) const;

    std::array<int32_t, 256> byte_ids_{};
    std::vector<Merge> merges_;  // open addressing, a power of two, at most half full
    std::vector<std::string> token_bytes_;
    std::unordered_map<std::string, int32_t> words_;  // the vocabulary, where merges are ignored
};

/// A token of the byte alphabet ("Ġhello") as bytes (" hello"); false if a character is outside it.
bool bytes_from_alphabet(std::string_view token, std::string& bytes);

}  // namespace qwend
