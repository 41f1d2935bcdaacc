#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/scheduler.h"
#include "tests/unit/fake_backend.h"

namespace qwend {

struct Stream {
    GenerationRequest request;
    std::vector<int32_t> output;
    FinishReason finish = FinishReason::none;
    int n_cached = -1;
};

/// A scheduler and a FakeBackend without threads: every step is checked.
struct SchedulerHarness {
    FakeBackend backend;
    Scheduler scheduler;
    std::map<SequenceId, Stream> streams;
    std::vector<StepOutput> outputs;
    Batch last_batch;

    explicit SchedulerHarness(const BackendInfo& info, bool prefix_cache = true)
        : backend(info), scheduler(info, prefix_cache) {}

    bool add(GenerationRequest request) {
        streams[request.id] = {request, {}, FinishReason::none, -1};
        return scheduler.add(std::move(request), 0);
    }

    void require(bool condition, const char* what) const {
        if (!condition) throw std::logic_error(std::string("scheduler: ") + what);
    }

    void step() {
        const Batch& batch = scheduler.schedule(0);
        require(!batch.sequences.empty(), "a batch while there is work");
        check_blocks();
        check_first_runs(batch);
        StepResult result;
        backend.step(batch, result);
        last_batch = batch;
        outputs.clear();
        scheduler.postprocess(result, outputs);
        for (const StepOutput& output : outputs) record(output.event);
        check_blocks();
    }

    void record(const TokenEvent& event) {
        Stream& stream = streams.at(event.id);
        require(stream.finish == FinishReason::none, "nothing after the finish");
        if (stream.output.empty()) stream.n_cached = event.n_cached_tokens;
        stream.output.push_back(event.sampled.token);
        stream.finish = event.finish;
    }

    /// Reference counts are exactly the tables; what no table holds is free.
    void check_blocks() const {
        const KvBlocks& blocks = scheduler.blocks();
        std::vector<int> n_refs(blocks.n_blocks());
        for (const Sequence* sequence : scheduler.running())
            for (int32_t block : sequence->table.blocks) ++n_refs.at(block);
        for (int block = 0; block < blocks.n_blocks(); ++block)
            require(blocks.ref_count(block) == n_refs[block], "reference counts are exact");
        require(blocks.n_free() == std::count(n_refs.begin(), n_refs.end(), 0), "none leaked");
        for (const Sequence* sequence : scheduler.waiting())
            require(
                sequence->table.blocks.empty() && sequence->lane < 0 && sequence->n_computed == 0,
                "waiting holds nothing");
    }

    /// No starvation: the first in order of service is in every step.
    void check_first_runs(const Batch& batch) const {
        const Sequence& first = *scheduler.running().front();
        const int n_running = static_cast<int>(scheduler.running().size());
        if (first.state == SequenceState::prefill && backend.info().max_step_tokens < n_running)
            return;  // decode rows may fill the step
        require(std::any_of(batch.sequences.begin(), batch.sequences.end(),
                            [&](const BatchSequence& s) { return s.lane == first.lane; }),
                "the first in order runs");
    }

    void run(int max_steps = 10000) {
        while (!scheduler.idle()) {
            require(max_steps-- > 0, "everything finishes");
            step();
        }
    }

    void check_outputs() const {
        for (const auto& entry : streams) {
            const Stream& stream = entry.second;
            CAPTURE(entry.first);
            CHECK(stream.output == expected_output(stream.request));
            CHECK(stream.finish != FinishReason::none);
        }
        CHECK(scheduler.blocks().n_free() == scheduler.blocks().n_blocks());
    }

    SequenceState state(SequenceId id) const {
        for (const auto* list : {&scheduler.running(), &scheduler.waiting()})
            for (const Sequence* sequence : *list)
                if (sequence->id == id) return sequence->state;
        return SequenceState::finished;
    }
};

}  // namespace qwend
