#pragma once

#include <cstdint>
#include <vector>

#include "daemon/engine/match_guess.h"
#include "daemon/engine/text_index.h"

namespace qwend {

/// Guesses that a text goes on as it did where its last tokens occurred before: code that is
/// edited, quotes, names, tables, as prompt lookup decoding does. How often such a guess was right,
/// by the length of the match, is kept, so that a text which only seems to repeat itself soon has
/// none.
class Repetition {
  public:
    /// `row_cost`: what one more token costs of a step's time; `n_most` guesses are made at a time.
    Repetition(float row_cost, int n_most) : row_cost_(row_cost), n_most_(n_most) {}

    /// As Drafter's; the tokens begin as they did at the call before.
    void draft(const DraftQuery& query, std::vector<int32_t>& drafts);

  private:
    float row_cost_;
    int n_most_;
    TextIndex index_;
    MatchRecords records_;
    MatchGuess guess_;
};

/// Of a sequence's own text; `max_drafts` at a time. `row_cost` as Repetition has it.
Drafter draft_repetitions(float row_cost, int max_drafts);

}  // namespace qwend
