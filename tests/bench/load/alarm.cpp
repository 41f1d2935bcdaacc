#include "tests/bench/load/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>

namespace qwend::load {

Alarm::Alarm(uv_loop_t* loop, std::function<void()> on_time)
    : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      poll_(new uv_poll_t),
      on_time_(std::move(on_time)) {
    if (fd_ < 0) throw std::runtime_error(std::string("timerfd: ") + std::strerror(errno));
    uv_poll_init(loop, poll_, fd_);
    poll_->data = this;
    uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
        auto* self = static_cast<Alarm*>(poll->data);
        uint64_t n_expired;
        if (read(self->fd_, &n_expired, sizeof n_expired) == sizeof n_expired) self->on_time_();
    });
}

Alarm::~Alarm() {
    uv_poll_stop(poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(poll_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    ::close(fd_);
}

void Alarm::set(double time_s) {
    const double whole = std::floor(time_s);
    itimerspec spec{};
    spec.it_value.tv_sec = time_t(whole);
    // All zero would switch it off.
    spec.it_value.tv_nsec = std::clamp(long((time_s - whole) * 1e9), 1L, 999999999L);
    timerfd_settime(fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace qwend::load
