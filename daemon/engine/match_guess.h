#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/engine/speculation.h"

namespace qwend {

/// How often guesses that continue a match were right, by its length.
class MatchRecords {
  public:
    float rate(int length) const { return records_[class_of(length)].rate(); }
    void add(int length, bool is_right) { records_[class_of(length)].add(is_right); }

  private:
    static constexpr int kClasses = 8;
    static int class_of(int length);

    std::array<GuessRecord, kClasses> records_ = {
        {{1, 4}, {1.5, 4}, {2, 4}, {2.4f, 4}, {2.8f, 4}, {3.2f, 4}, {3.6f, 4}, {3.8f, 4}}};
};

/// What a match says of how a text goes on.
class MatchGuess {
  public:
    /// Whether it was made for a text of so many tokens, which grows.
    bool is_for(size_t n_tokens) const { return made_at_ == n_tokens; }
    /// Records how good the guess was, as far as the text went on since. It counts whether or not
    /// it was thought worth a row.
    void check(std::span<const int32_t> tokens, MatchRecords& records) const;
    /// Another one: `ids` follow a text of n_tokens, the last `length` of which have a match.
    void set(size_t n_tokens, int length, std::vector<int32_t> ids);
    /// As many as are worth a row each; see n_worthwhile().
    void draft(const MatchRecords& records, float row_cost, float waiting,
               std::vector<int32_t>& drafts) const;

  private:
    std::vector<int32_t> ids_;
    size_t made_at_ = 0;
    int length_ = 0;
};

}  // namespace qwend
