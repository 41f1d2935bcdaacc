#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qwend {

/// Finds where the last tokens of a text occur in another, or earlier in the same, without a
/// search: by the hash chains of LZ77's encoders (RFC 1951, 4). At most 12 bytes a token.
class TextIndex {
  public:
    static constexpr int kShortest = 3;  // tokens of a match: what is hashed
    static constexpr int kLongest = 64;  // beyond, matches are as good as each other

    /// Tokens of the indexed text that end at `end` (none: -1) and equal the last of the other.
    struct Match {
        int32_t end = -1;
        int length = kShortest - 1;
    };

    /// Takes in what `tokens` has beyond those it had before.
    void extend(std::span<const int32_t> tokens);
    /// The longest match of the last tokens of `tokens`, all taken in, with earlier ones; the
    /// latest among equals.
    Match earlier(std::span<const int32_t> tokens) const;
    /// The same of the last tokens of `text` in `tokens`, all taken in.
    Match find(std::span<const int32_t> tokens, std::span<const int32_t> text) const;

  private:
    static constexpr int kMostTried = 16, kMostSeen = 256;  // of a chain

    void rehash(std::span<const int32_t> tokens, size_t n_heads);
    void insert(std::span<const int32_t> tokens, size_t end);
    Match longest(std::span<const int32_t> tokens, std::span<const int32_t> text,
                  int32_t end) const;

    std::vector<int32_t> heads_;     // by hash: the last end of such tokens; -1: none
    std::vector<int32_t> previous_;  // (indexed tokens) the end before it in the same chain
};

}  // namespace qwend
