#pragma once

#include <uv.h>

#include <functional>
#include <utility>

namespace qwend::load {

/// Seconds of the clock that everything here is timed by.
inline double now_s() {
    return double(uv_hrtime()) * 1e-9;
}

/// Calls back at a time to the microsecond; libuv's own timers are of milliseconds, and a request
/// late by one is a millisecond of somebody's time to first token.
class Alarm {
  public:
    Alarm(uv_loop_t* loop, std::function<void()> on_time);
    ~Alarm();
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;

    /// In place of any time set before; one that is over is now.
    void set(double time_s);

  private:
    int fd_;
    uv_poll_t* poll_;
    std::function<void()> on_time_;
};

}  // namespace qwend::load
