#pragma once

#include <string>
#include <vector>

namespace qwend::load {

/// What one request showed. Times are in seconds of one steady clock.
struct Outcome {
    double due = 0;    // when it was to start, from where its latencies are counted
    double sent = 0;   // when the generator came to it; later than due by the generator's own fault
    double first = 0;  // when the first event with output came
    double last = 0;   // when the last event with a choice came, be it only with why it ended
    double end = 0;    // when the answer was over
    int events = 0;    // that carry output
    int tokens = 0;    // as the server's usage has it; without one, as many as events
    int prompt_tokens = 0, cached_tokens = 0;  // 0 without usage
    bool has_usage = false;
    std::vector<float> gaps;  // between an event with output and the next
    std::string failure;      // empty: it succeeded

    double ttft() const { return first - due; }
    double e2el() const { return last - due; }
    double tpot() const { return tokens > 1 ? (last - first) / (tokens - 1) : 0; }
};

}  // namespace qwend::load
