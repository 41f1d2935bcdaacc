#pragma once

#include <chrono>

namespace qwend {

/// Seconds of the one clock by which everything here is timed: it never jumps, and says nothing of
/// the time of day. Any thread.
inline double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace qwend
