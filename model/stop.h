#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Finds stop strings in streamed text. Any suffix that could still become a stop string is held
/// back, so what was emitted never has to be taken back.
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
    std::string finish();                // the end came without a match: the text held back

  private:
    std::vector<std::string> stops_;
    bool include_stop_in_output_;
    std::string held_;
};

}  // namespace qwend
