// qwend as a benchmark of all but the model: its backend computes nothing. Linked with
// daemon/main.cpp as built for tests, which takes its backend from here.
//
//   QWEND_STEP_US=900 bench-daemon serve --model tests/demo-model --max-sequences 64
//
// What a token costs the event loop is in its /metrics; its instructions, free of the machine's
// noise, are counted by callgrind with --separate-threads=yes and GOMP_SPINCOUNT=1000 set.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "model/backend.h"
#include "tests/e2e/faulty_backend.h"

namespace qwend {

namespace {

using Clock = std::chrono::steady_clock;

/// A backend of the pool's size and limits that a CPU's has, but that of a device in what overlaps:
/// two steps in flight, each of QWEND_STEP_US. Its tokens are from all over the vocabulary's common
/// part, and depend on the position alone.
class ConstantBackend final : public Backend {
  public:
    explicit ConstantBackend(const BackendInfo& of) : info_(of) {
        info_.device = "nothing";
        info_.max_steps_in_flight = 2;
        info_.max_samples = 1;
        if (const char* us = std::getenv("QWEND_STEP_US"))
            step_ = std::chrono::microseconds(std::atoi(us));
    }

    const BackendInfo& info() const override { return info_; }

    void launch(const Batch& batch) override {
        check_capabilities(batch, info_);
        Step step;
        for (const BatchSequence& sequence : batch.sequences)
            if (sequence.sampling)
                step.samples.emplace_back().token = token_at(sequence.n_context, info_.n_vocab);
        step.ends = std::max(Clock::now(), in_flight_.empty() ? last_end_ : in_flight_.back().ends);
        step.ends += step_;
        in_flight_.push_back(std::move(step));
    }

    void collect(StepResult& result) override {
        Step step = std::move(in_flight_.front());
        in_flight_.pop_front();
        last_end_ = step.ends;
        std::this_thread::sleep_until(step.ends);
        result.samples = std::move(step.samples);
        result.scores.clear();
    }

  private:
    struct Step {
        std::vector<SampledToken> samples;
        Clock::time_point ends;
    };

    static int32_t token_at(int position, int n_vocab) {
        constexpr int32_t kFirst = 300, kCommon = 1000;  // behind the bytes; before special tokens
        return std::min(kFirst + position * 37 % kCommon, n_vocab - 1);
    }

    BackendInfo info_;
    std::chrono::microseconds step_{900};
    std::deque<Step> in_flight_;
    Clock::time_point last_end_{};
};

}  // namespace

std::unique_ptr<Backend> make_faulty_backend(
    const std::function<std::unique_ptr<Backend>()>& make) {
    return std::make_unique<ConstantBackend>(make()->info());
}

}  // namespace qwend
