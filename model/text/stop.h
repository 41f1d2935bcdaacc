#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Finds stop strings in streamed text, in time linear in the text for each stop string, however
/// the text comes in pieces. Any suffix that could still become a stop string is held back, so what
/// was emitted never has to be taken back. The stop string that is complete first fires; of those
/// that end at the same place, the longest. Copies share the stop strings.
class StopMatcher {
  public:
    StopMatcher(std::vector<std::string> stops, bool include_stop_in_output);

    struct Result {
        std::string text;  // safe to emit now
        int matched = -1;  // index of the stop string that fired, -1 for none
    };
    /// After a match, do not push again. Unless `armed`, nothing that ends in this text fires; what
    /// begins in it and ends in a later one may.
    Result push(std::string_view text, bool armed = true);
    std::string finish();  // the end came without a match: the text held back

  private:
    struct Stop {
        std::string text;
        // border[n]: the longest proper prefix of text that ends its first n bytes (Knuth, Morris,
        // Pratt 1977, doi:10.1137/0206024).
        std::vector<uint32_t> border;
    };
    uint32_t advance(const Stop& stop, uint32_t matched, char c) const;

    std::shared_ptr<const std::vector<Stop>> stops_;
    std::vector<uint32_t> matched_;  // bytes of each stop string that the text so far ends with
    bool include_stop_in_output_;
    std::string held_;
};

}  // namespace qwend
