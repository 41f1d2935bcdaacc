#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "daemon/engine/engine.h"
#include "tests/unit/daemon/engine/fake_backend.h"

namespace qwend {

/// Lets a number of steps pass, then holds the worker inside FakeBackend::collect.
class Gate {
  public:
    static constexpr int all = -1;

    void allow(int n_steps) {
        std::lock_guard lock(mutex_);
        n_allowed_ = n_steps;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return n_allowed_ != 0; });
        if (n_allowed_ > 0) --n_allowed_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int n_allowed_ = all;
};

/// An engine with a FakeBackend; the test is its loop thread.
struct Harness {
    std::mutex mutex;
    std::condition_variable woken;
    int n_wakes = 0;
    int n_wakes_seen = 0;
    Gate gate, launch_gate, prepare_gate;
    std::atomic<int> fail_at_step{-1}, fail_at_launch{-1}, fail_at_preparation{-1};
    int n_preparations = 0;       // still to do
    std::atomic<int> n_steps{0};  // collected
    int n_launched = 0;           // the worker's
    std::string trace;            // under the mutex: L for each launch, C collect, P prepare
    std::function<void()> throw_fault = [] { throw BackendFault("device on fire"); };
    std::function<void(StepResult&)> spoil_result;
    EngineMetrics metrics;
    std::map<SequenceId, std::vector<int32_t>> outputs;
    std::map<SequenceId, std::vector<ScoredToken>> scores;
    std::map<SequenceId, FinishReason> finishes;
    std::map<SequenceId, std::string_view> errors;
    Engine engine;  // last: its worker uses all of the above

    explicit Harness(EngineOptions options = {}) : engine(options, metrics, [this] { wake(); }) {}
    ~Harness() {
        for (Gate* each : {&gate, &launch_gate, &prepare_gate}) each->allow(Gate::all);
    }

    void wake() {
        std::lock_guard lock(mutex);
        ++n_wakes;
        woken.notify_all();
    }

    void note(char what) {
        std::lock_guard lock(mutex);
        trace += what;
    }
    std::string traced() {
        std::lock_guard lock(mutex);
        return trace;
    }

    void start(BackendInfo info = fake_info(4, 64, 16, 4, 1)) {
        engine.start([this, info] {
            auto backend = std::make_unique<FakeBackend>(info);
            backend->before_launch = [this] {
                note('L');
                launch_gate.pass();
                if (n_launched++ == fail_at_launch) throw_fault();
            };
            backend->before_collect = [this] {
                note('C');
                gate.pass();
                if (n_steps++ == fail_at_step) throw_fault();
            };
            backend->after_collect = spoil_result;
            if (n_preparations > 0)
                backend->on_prepare = [this] {
                    note('P');
                    prepare_gate.pass();
                    if (n_preparations-- == fail_at_preparation) throw_fault();
                    return n_preparations > 0;
                };
            return backend;
        });
        wait_until([&] { return engine.state() != EngineState::loading; });
    }

    /// Takes events at every wake-up, as the loop does, until `done` or ten seconds are over.
    template <class Done>
    bool wait_until(Done done) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        for (;;) {
            for (const TokenEvent& event : engine.take_events()) record(event);
            if (done()) return true;
            std::unique_lock lock(mutex);
            if (std::chrono::steady_clock::now() > deadline) return false;
            woken.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::milliseconds(2),
                             [this] { return n_wakes > n_wakes_seen; });
            n_wakes_seen = n_wakes;
        }
    }

    void record(const TokenEvent& event) {
        REQUIRE(finishes[event.id] == FinishReason::none);
        if (event.sampled.token >= 0) outputs[event.id].push_back(event.sampled.token);
        if (!event.scores.empty()) REQUIRE(outputs[event.id].empty());
        scores[event.id].insert(scores[event.id].end(), event.scores.begin(), event.scores.end());
        finishes[event.id] = event.finish;
        errors[event.id] = event.error;
    }

    bool submit(GenerationRequest request) { return engine.submit({std::move(request)}); }
    bool drain() {
        return wait_until([&] { return engine.n_unfinished() == 0; });
    }
};

}  // namespace qwend
