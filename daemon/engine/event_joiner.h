#pragma once

#include <vector>

#include "daemon/engine/sequence.h"

namespace qwend {

/// Keeps the tokens of many streams for up to two milliseconds, where steps follow each other so
/// quickly that a connection's write then carries several: a write costs the event loop more than
/// anything else of a token. First tokens, ends and scores are given at once, each behind what was
/// kept of its own stream. One thread uses it.
class EventJoiner {
  public:
    /// Adds a step's event. `is_urgent`: it is to be given at once.
    void add(TokenEvent event, bool is_urgent);

    /// What is to be given at `time`, in the order of each stream. `may_keep`: another step ends
    /// soon.
    std::vector<TokenEvent> take(double time, bool may_keep);

  private:
    std::vector<TokenEvent> kept_;
    std::vector<SequenceId> urgent_;
    size_t n_before_ = 0;    // that earlier steps left in kept_
    double last_taken_ = 0;  // s, when nothing was left
};

}  // namespace qwend
