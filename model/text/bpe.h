#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/text/bpe_symbols.h"

namespace qwend {

/// Byte-pair encoding: words to ids by merging neighbours in order of rank. Source: Sennrich et al.
/// 2016 (arXiv:1508.07909).
class Bpe {
  public:
    /// `vocab`: token → id. `merges`: pairs in order of rank. Throws LoadError naming `source`: a
    /// merge whose parts or result are not in the vocabulary. `ignore_merges` as Hugging Face's
    /// tokenizers has it: a word that is in the vocabulary is that token, whatever merges would
    /// make of it.
    Bpe(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
        const std::vector<std::pair<std::string_view, std::string_view>>& merges,
        const std::string& source, const BpeSpelling& spelling = {}, bool ignore_merges = false);

    /// No text of more than one character is one of these ids (ascending) any more.
    void leave_out(const std::vector<int32_t>& ids);

    /// Appends the ids of one word, in time linear in its length.
    void encode(std::string_view word, std::vector<int32_t>& ids) const;

  private:
    using Merges = std::vector<std::pair<std::string_view, std::string_view>>;
    Bpe(const BpeSymbols::Vocabulary& ids, const Merges& merges, const std::string& source,
        const BpeSpelling& spelling, bool ignore_merges);

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
        std::vector<Symbol> symbols;  // by the place of the first that each is made of
        std::vector<uint64_t> heap;
    };
    struct Token {
        int32_t id;
        uint32_t begin;  // the place of its first symbol
    };
    const Merge* find_merge(int32_t left, int32_t right) const;
    void insert_merge(Merge merge);
    /// Both merge the symbols from ids[first] on.
    void merge_short(size_t first, std::vector<int32_t>& ids) const;
    void merge_long(size_t first, std::vector<int32_t>& ids) const;
    /// Appends those tokens that symbols[begin, end) become which begin before `keep`; returns
    /// where the last of them ends.
    size_t merge_window(std::span<const int32_t> symbols, size_t begin, size_t end, size_t keep,
                        Scratch& scratch, std::vector<Token>& tokens) const;
    /// Whether the symbols of two neighbours, of which the second ends at `end`, become the two.
    bool is_border(std::span<const int32_t> symbols, const Token& left, const Token& right,
                   size_t end) const;

    std::vector<Merge> merges_;  // open addressing, a power of two, at most half full
    BpeSymbols symbols_;
    std::unordered_map<std::string, int32_t> words_;  // the vocabulary, where merges are ignored
};

}  // namespace qwend
