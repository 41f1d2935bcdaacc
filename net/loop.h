#pragma once

#include <functional>
#include <memory>

#include "net/guard.h"

struct uv_loop_s;

namespace qwend {

/// The libuv loop and what others need of it. Everything runs on the loop thread except wake()
/// handles, which any thread may fire.
class EventLoop {
  public:
    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;

    /// Is told of every exception that a callback lets out. It costs what the callback had still to
    /// do, and never the process.
    void on_exception(Report report);

    void run();   // until stop(); closes every handle it owns before returning
    void stop();  // loop thread only

    /// A function any thread may call; `callback` then runs soon on the loop thread (several calls
    /// may coalesce into one). Must not be called after run() returned.
    std::function<void()> make_wake(std::function<void()> callback);

    /// Runs `callback` every `seconds` (first after `seconds`); once if `repeat` is false. The
    /// timer lives until the returned handle is destroyed.
    class Timer;
    std::shared_ptr<Timer> add_timer(double seconds, bool repeat, std::function<void()> callback);

    void on_signal(int signum, std::function<void()> callback);

    /// `work` runs on libuv's thread pool, then `done` on the loop thread, also if `work` threw.
    void offload(std::function<void()> work, std::function<void()> done);

    uv_loop_s* uv() { return loop_; }

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
    uv_loop_s* loop_ = nullptr;
};

}  // namespace qwend
