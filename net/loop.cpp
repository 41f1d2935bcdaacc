#include "net/loop.h"

#include <uv.h>

#include <csignal>
#include <list>

namespace qwend {

struct EventLoop::Impl {
    struct Wake {
        uv_async_t async;
        std::function<void()> callback;
    };
    struct Signal {
        uv_signal_t handle;
        std::function<void()> callback;
    };
    uv_loop_t loop;
    // Stable addresses: libuv holds pointers to them until the loop is closed.
    std::list<Wake> wakes;
    std::list<Signal> signals;
};

/// The handle outlives this object until libuv has closed it.
class EventLoop::Timer {
  public:
    Timer(uv_loop_t* loop, double seconds, bool repeat, std::function<void()> callback)
        : state_(new State{{}, std::move(callback)}) {
        const auto ms = uint64_t(seconds * 1000 + 0.5);
        uv_timer_init(loop, &state_->handle);
        state_->handle.data = state_;
        uv_timer_start(
            &state_->handle,
            [](uv_timer_t* handle) { static_cast<State*>(handle->data)->callback(); }, ms,
            repeat ? std::max<uint64_t>(ms, 1) : 0);
    }
    ~Timer() {
        uv_timer_stop(&state_->handle);
        uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
                 [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
    }
    Timer(const Timer&) = delete;

  private:
    struct State {
        uv_timer_t handle;
        std::function<void()> callback;
    };
    State* state_;
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {
    std::signal(SIGPIPE, SIG_IGN);  // a write to a closed socket is an error code, not a death
    uv_loop_init(&impl_->loop);
    loop_ = &impl_->loop;
}

EventLoop::~EventLoop() {
    for (auto& wake : impl_->wakes) uv_close(reinterpret_cast<uv_handle_t*>(&wake.async), nullptr);
    for (auto& signal : impl_->signals)
        uv_close(reinterpret_cast<uv_handle_t*>(&signal.handle), nullptr);
    // What others still hold open is theirs to close; only the callbacks of closed handles run.
    uv_run(loop_, UV_RUN_NOWAIT);
    uv_loop_close(loop_);
}

void EventLoop::run() {
    uv_run(loop_, UV_RUN_DEFAULT);
}

void EventLoop::stop() {
    uv_stop(loop_);
}

std::function<void()> EventLoop::make_wake(std::function<void()> callback) {
    Impl::Wake& wake = impl_->wakes.emplace_back();
    wake.callback = std::move(callback);
    uv_async_init(loop_, &wake.async,
                  [](uv_async_t* async) { static_cast<Impl::Wake*>(async->data)->callback(); });
    wake.async.data = &wake;
    return [&wake] { uv_async_send(&wake.async); };
}

std::shared_ptr<EventLoop::Timer> EventLoop::add_timer(double seconds, bool repeat,
                                                       std::function<void()> callback) {
    return std::make_shared<Timer>(loop_, seconds, repeat, std::move(callback));
}

void EventLoop::on_signal(int signum, std::function<void()> callback) {
    Impl::Signal& signal = impl_->signals.emplace_back();
    signal.callback = std::move(callback);
    uv_signal_init(loop_, &signal.handle);
    signal.handle.data = &signal;
    uv_signal_start(
        &signal.handle,
        [](uv_signal_t* handle, int) { static_cast<Impl::Signal*>(handle->data)->callback(); },
        signum);
}

void EventLoop::offload(std::function<void()> work, std::function<void()> done) {
    struct Work {
        uv_work_t request;
        std::function<void()> work, done;
    };
    auto* job = new Work{{}, std::move(work), std::move(done)};
    job->request.data = job;
    uv_queue_work(
        loop_, &job->request, [](uv_work_t* request) { static_cast<Work*>(request->data)->work(); },
        [](uv_work_t* request, int) {
            std::unique_ptr<Work> finished(static_cast<Work*>(request->data));
            finished->done();
        });
}

}  // namespace qwend
