#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/engine/speculation.h"

namespace qwend {

/// Guesses that a text goes on as it did where its last tokens occurred before: code that is
/// edited, quotes, names, tables. As prompt lookup decoding does, with the hash chains of LZ77's
/// encoders (RFC 1951, 4) in place of a search. How often such a guess was right, by the length of
/// the match, is kept, so that a text which only seems to repeat itself soon has none. At most 12
/// bytes a token.
class Repetition {
  public:
    /// `row_cost`: what one more token costs of a step's time; `n_most` guesses are made at a time.
    Repetition(float row_cost, int n_most) : row_cost_(row_cost), n_most_(n_most) {}

    /// As Drafter's; the tokens begin as they did at the call before.
    void draft(const DraftQuery& query, std::vector<int32_t>& drafts);

  private:
    static constexpr int kShortest = 3;  // tokens of a match: what is hashed
    static constexpr int kLongest = 64;  // beyond, matches are as good as each other
    static constexpr int kMostTried = 16, kMostSeen = 256;  // of a chain
    static constexpr int kClasses = 8;

    static int class_of(int length);

    void check_guess(std::span<const int32_t> tokens);
    void index(std::span<const int32_t> tokens);
    void rehash(std::span<const int32_t> tokens, size_t n_heads);
    void insert(std::span<const int32_t> tokens, size_t end);
    void guess(std::span<const int32_t> tokens);
    int match(std::span<const int32_t> tokens, size_t end) const;

    float row_cost_;
    int n_most_;
    std::vector<int32_t> heads_;     // by hash: the last end of such tokens; -1: none
    std::vector<int32_t> previous_;  // (indexed tokens) the end before it in the same chain
    std::array<GuessRecord, kClasses> records_ = {  // by the length of the match
        {{1, 4}, {1.5, 4}, {2, 4}, {2.4f, 4}, {2.8f, 4}, {3.2f, 4}, {3.6f, 4}, {3.8f, 4}}};
    std::vector<int32_t> guess_;  // what may follow the first guessed_at_ tokens
    size_t guessed_at_ = 0;
    int length_ = 0;  // of the match it continues
};

/// Of a sequence's own text; `max_drafts` at a time. `row_cost` as Repetition has it.
Drafter draft_repetitions(float row_cost, int max_drafts);

}  // namespace qwend
