#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <stdexcept>
#include <vector>

#include "daemon/engine/scheduler.h"

namespace qwend {

struct ScheduledStream {
    GenerationRequest request;
    std::vector<SampledToken> samples;
    std::vector<ScoredToken> scores;
    FinishReason finish = FinishReason::none;
    int n_cached = 0;  // prompt tokens that the prefix cache gave
};

/// A scheduler over a real backend, as the engine runs them but without its thread: as many steps
/// in flight as the backend takes, and one collected a turn.
class ScheduledRun {
  public:
    /// `limits`: the backend's info, or one with a smaller pool or step.
    ScheduledRun(Backend& backend, const BackendInfo& limits, bool prefix_cache)
        : backend_(backend), scheduler_(limits, prefix_cache) {}
    /// The backend goes on to others, so nothing may be left in flight.
    ~ScheduledRun() {
        try {
            for (; n_in_flight_ > 0; n_in_flight_--) backend_.collect(result_);
        } catch (const BackendFault&) {  // there is nothing in flight then
        }
    }
    ScheduledRun(const ScheduledRun&) = delete;

    void add(GenerationRequest request) {
        streams[request.id].request = request;
        if (!scheduler_.add(std::move(request), 0))
            throw std::logic_error("a request that cannot run");
    }
    void cancel(SequenceId id) {
        streams.erase(id);
        scheduler_.cancel(id);
    }

    /// Launches what may be in flight and collects a step; false if there was nothing to do.
    bool turn() {
        while (!scheduler_.idle() && scheduler_.n_in_flight() < backend_.info().max_steps_in_flight)
            if (!launch()) break;
        if (scheduler_.n_in_flight() == 0) return false;
        collect();
        return true;
    }
    void run() {
        while (turn()) {
        }
    }

    const Scheduler& scheduler() const { return scheduler_; }
    uint64_t n_steps() const { return n_steps_; }  // collected

    std::map<SequenceId, ScheduledStream> streams;  // neither cancelled nor taken out by the caller

  private:
    bool launch() {
        batch_ = scheduler_.schedule(0);
        if (batch_.sequences.empty()) return false;
        for (BatchSequence& row : batch_.sequences) row.run += first_run_;
        backend_.launch(batch_);
        n_in_flight_++;
        return true;
    }

    void collect() {
        backend_.collect(result_);
        n_in_flight_--;
        outputs_.clear();
        scheduler_.postprocess(result_, outputs_);
        n_steps_++;
        for (StepOutput& output : outputs_) {
            ScheduledStream& stream = streams.at(output.event.id);
            if (!output.event.scores.empty()) {
                std::ranges::move(output.event.scores, std::back_inserter(stream.scores));
                continue;
            }
            if (stream.samples.empty()) stream.n_cached = output.event.n_cached_tokens;
            stream.samples.push_back(std::move(output.event.sampled));
            stream.finish = output.event.finish;
        }
    }

    Backend& backend_;
    Scheduler scheduler_;
    // A backend expects one scheduler, which never uses a number twice.
    static inline uint64_t n_schedulers_ = 0;
    const uint64_t first_run_ = ++n_schedulers_ << 40;
    Batch batch_;
    int n_in_flight_ = 0;
    StepResult result_;
    std::vector<StepOutput> outputs_;
    uint64_t n_steps_ = 0;
};

}  // namespace qwend
