#pragma once

#include <uv.h>

#include <algorithm>
#include <cstdint>

namespace qwend {

/// Starts a timer from now. The loop's own time is as old as the turn, which may have been long.
inline void start_timer(uv_timer_t* timer, double seconds, bool repeat, uv_timer_cb callback) {
    uv_update_time(timer->loop);
    const auto ms = uint64_t(std::max(seconds, 0.0) * 1000 + 0.5);
    uv_timer_start(timer, callback, ms, repeat ? std::max<uint64_t>(ms, 1) : 0);
}

}  // namespace qwend
