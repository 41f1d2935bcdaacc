#include "net/loop.h"

#include <uv.h>

#include <csignal>
#include <list>
#include <stdexcept>
#include <utility>

#include "net/timer.h"

namespace qwend {

struct EventLoop::Impl {
    struct Wake {
        Impl* loop;
        uv_async_t async;
        std::function<void()> callback;
    };
    struct Signal {
        Impl* loop;
        uv_signal_t handle;
        std::function<void()> callback;
    };
    uv_loop_t loop;
    Report report;
    // Stable addresses: libuv holds pointers to them until the loop is closed.
    std::list<Wake> wakes;
    std::list<Signal> signals;
};

/// The handle outlives this object until libuv has closed it.
class EventLoop::Timer {
  public:
    Timer(Impl& loop, double seconds, bool repeat, std::function<void()> callback)
        : state_(new State{loop, {}, std::move(callback)}) {
        uv_timer_init(&loop.loop, &state_->handle);
        state_->handle.data = state_;
        start_timer(&state_->handle, seconds, repeat, [](uv_timer_t* handle) {
            auto* state = static_cast<State*>(handle->data);
            guarded(state->loop.report, "a timer", state->callback);
        });
    }
    ~Timer() {
        uv_timer_stop(&state_->handle);
        uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
                 [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
    }
    Timer(const Timer&) = delete;

  private:
    struct State {
        Impl& loop;
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

void EventLoop::on_exception(Report report) {
    impl_->report = std::move(report);
}

std::function<void()> EventLoop::make_wake(std::function<void()> callback) {
    Impl::Wake& wake = impl_->wakes.emplace_back();
    wake.loop = impl_.get();
    wake.callback = std::move(callback);
    uv_async_init(loop_, &wake.async, [](uv_async_t* async) {
        auto* woken = static_cast<Impl::Wake*>(async->data);
        guarded(woken->loop->report, "a wake-up", woken->callback);
    });
    wake.async.data = &wake;
    return [&wake] { uv_async_send(&wake.async); };
}

std::shared_ptr<EventLoop::Timer> EventLoop::add_timer(double seconds, bool repeat,
                                                       std::function<void()> callback) {
    return std::make_shared<Timer>(*impl_, seconds, repeat, std::move(callback));
}

void EventLoop::on_signal(int signum, std::function<void()> callback) {
    Impl::Signal& signal = impl_->signals.emplace_back();
    signal.loop = impl_.get();
    signal.callback = std::move(callback);
    uv_signal_init(loop_, &signal.handle);
    signal.handle.data = &signal;
    uv_signal_start(
        &signal.handle,
        [](uv_signal_t* handle, int) {
            auto* raised = static_cast<Impl::Signal*>(handle->data);
            guarded(raised->loop->report, "a signal", raised->callback);
        },
        signum);
}

void EventLoop::offload(std::function<void()> work, std::function<void()> done) {
    struct Work {
        Impl* loop;
        uv_work_t request;
        std::function<void()> work, done;
        std::exception_ptr thrown;
    };
    auto job = std::make_unique<Work>(Work{impl_.get(), {}, std::move(work), std::move(done), {}});
    job->request.data = job.get();
    const int rc = uv_queue_work(
        loop_, &job->request,
        [](uv_work_t* request) {
            auto* running = static_cast<Work*>(request->data);
            try {
                running->work();
            } catch (...) {
                running->thrown = std::current_exception();
            }
        },
        [](uv_work_t* request, int) {
            std::unique_ptr<Work> finished(static_cast<Work*>(request->data));
            const Report& report = finished->loop->report;
            if (finished->thrown)
                guarded(report, "offloaded work",
                        [&] { std::rethrow_exception(finished->thrown); });
            guarded(report, "the end of offloaded work", finished->done);
        });
    if (rc == 0) job.release();
    if (rc != 0) throw std::runtime_error(uv_strerror(rc));
}

}  // namespace qwend
