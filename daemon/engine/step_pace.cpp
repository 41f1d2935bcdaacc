#include "daemon/engine/step_pace.h"

#include <algorithm>

namespace qwend {

namespace {

constexpr double kWeight = 0.125;  // of the last step beside those before it
constexpr int kTile = 256;         // rows that products take at a time: a part costs as much as all

}  // namespace

StepPace::StepPace(double seconds, int least, int most)
    : seconds_(seconds), least_(least), most_(most) {}

/// Of smaller steps the time says little: they wait for weights, not for prompts.
void StepPace::observe(int n_tokens, double seconds) {
    if (n_tokens < least_) return;
    const double of_token = seconds / n_tokens;
    seconds_of_token_ += (of_token - seconds_of_token_) * (seconds_of_token_ == 0 ? 1 : kWeight);
}

int StepPace::tokens() const {
    if (seconds_of_token_ == 0) return least_;
    const double n = std::clamp(seconds_ / seconds_of_token_, double(least_), double(most_));
    return std::max(least_, int(n) / kTile * kTile);
}

}  // namespace qwend
