#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/engine/scheduler.h"
#include "tests/unit/daemon/engine/each_depth.h"
#include "tests/unit/daemon/engine/fake_backend.h"

namespace qwend {

struct Stream {
    GenerationRequest request;
    std::vector<int32_t> output;
    FinishReason finish = FinishReason::none;
    int n_cached = -1;
    std::vector<ScoredToken> scores = {};
    std::vector<float> vectors = {};
};

/// A scheduler and a FakeBackend without threads: every step is checked.
struct SchedulerHarness {
    FakeBackend backend;
    Scheduler scheduler;
    std::map<SequenceId, Stream> streams;
    std::vector<StepOutput> outputs;
    Batch last_batch;               // the one last collected; its spans may dangle
    std::deque<Batch> in_flight;    // oldest first; the same
    std::map<uint64_t, int> known;  // tokens of each run that steps collected have computed
    size_t n_sampled = 0;
    int n_late_masks = 0;   // steps that were given theirs
    bool awaiting = false;  // the youngest has not been               // samples launched
    size_t n_drafted = 0, n_right = 0;  // drafts collected; of them, those that were right
    size_t n_events = 0;

    explicit SchedulerHarness(const BackendInfo& info, bool prefix_cache = true)
        : backend(info), scheduler(info, prefix_cache) {}

    bool add(GenerationRequest request) {
        streams[request.id] = {request, {}, FinishReason::none, -1, {}, {}};
        return scheduler.add(std::move(request), 0);
    }

    void require(bool condition, const char* what) const {
        if (!condition) throw std::logic_error(std::string("scheduler: ") + what);
    }

    /// A turn of the engine.
    void step() {
        launch_all();
        collect();
    }

    void launch_all() {
        while (scheduler.n_in_flight() < backend.info().max_steps_in_flight && launch()) {
        }
    }

    /// False if everything waits for the steps in flight.
    bool launch() {
        if (scheduler.idle()) return false;
        const int n_before = scheduler.n_in_flight();
        const Batch& batch = scheduler.schedule(0);
        require(scheduler.n_in_flight() == n_before + !batch.sequences.empty(), "in flight");
        for (const Sequence* sequence : scheduler.held())
            for (const BatchSequence& row : batch.sequences)
                require(row.run != sequence->run, "a held sequence is in no step");
        for (const BatchSequence& row : batch.sequences) {
            known.try_emplace(row.run, row.n_context - row.n_query);
            n_sampled += row.n_samples();
        }
        check();
        check_first_runs(batch);
        if (batch.sequences.empty()) return false;
        backend.launch(batch);
        in_flight.push_back(batch);
        awaiting = batch.awaits_masks;
        return true;
    }

    void collect() {
        StepResult result;
        backend.collect(result);
        last_batch = std::move(in_flight.front());
        in_flight.pop_front();
        for (const BatchSequence& row : last_batch.sequences) {
            const int n_right_here = count_right(row, result);
            n_drafted += row.n_drafts, n_right += n_right_here;
            known.at(row.run) = row.n_context - row.n_drafts + n_right_here;
        }
        outputs.clear();
        scheduler.postprocess(result, outputs);
        if (scheduler.can_find_masks()) {
            backend.give_masks(scheduler.find_masks());
            ++n_late_masks;
            awaiting = false;
        }
        for (const StepOutput& output : outputs) record(output.event);
        check();
        if (scheduler.idle()) known.clear();
    }

    /// Of a row's drafts in last_batch, those before the first that was wrong.
    int count_right(const BatchSequence& row, const StepResult& result) const {
        const auto draft = last_batch.tokens.begin() + row.query_begin + row.n_query - row.n_drafts;
        int n = 0;
        while (n < row.n_drafts && draft[n] == result.samples.at(row.sample_begin + n).token) ++n;
        return n;
    }

    void record(const TokenEvent& event) {
        Stream& stream = streams.at(event.id);
        require(stream.finish == FinishReason::none, "nothing after the finish");
        if (stream.output.empty()) stream.n_cached = event.n_cached_tokens;
        require(stream.n_cached == event.n_cached_tokens, "every event says the same");
        require(event.sampled.token >= 0 || event.finish != FinishReason::none ||
                    !event.scores.empty() || !event.vectors.empty(),
                "a token that is known, scores, vectors, or an end");
        if (!event.scores.empty()) {
            require(stream.output.empty(), "scores come before tokens");
            stream.scores.insert(stream.scores.end(), event.scores.begin(), event.scores.end());
            return;
        }
        if (event.sampled.token >= 0) stream.output.push_back(event.sampled.token);
        stream.vectors.insert(stream.vectors.end(), event.vectors.begin(), event.vectors.end());
        ++n_events;
        stream.finish = event.finish;
    }

    void check() const {
        check_blocks();
        for (const Sequence* sequence : sequences()) {
            check_tokens(*sequence);
            if (sequence->lane >= 0) check_published(*sequence);
        }
        for (const Sequence* sequence : scheduler.waiting()) check_match(*sequence);
    }

    /// All but the held ones that have no blocks.
    std::vector<const Sequence*> sequences() const {
        std::vector<const Sequence*> all(scheduler.running().begin(), scheduler.running().end());
        all.insert(all.end(), scheduler.held().begin(), scheduler.held().end());
        all.insert(all.end(), scheduler.waiting().begin(), scheduler.waiting().end());
        return all;
    }
    const Sequence* find(SequenceId id) const {
        for (const Sequence* sequence : sequences())
            if (sequence->id == id) return sequence;
        return nullptr;
    }

    /// Placeholders are the last tokens, one at most for each step in flight; with drafts before
    /// the last where there is a drafter. One that awaits its last token is in flight once.
    void check_tokens(const Sequence& sequence) const {
        const auto first = std::find_if(sequence.tokens.begin(), sequence.tokens.end(),
                                        [](int t) { return t < 0; });
        const auto n_placeholders = static_cast<int>(sequence.tokens.end() - first);
        require(std::all_of(first, sequence.tokens.end(), [](int t) { return t == -1; }), "-1");
        require(n_placeholders <= scheduler.n_in_flight(), "placeholders are in flight");
        require(n_placeholders <= 1 || !sequence.awaits_last_token, "the last token is awaited");
        const int n_drafts = sequence.n_pending - n_placeholders;
        require(n_drafts >= 0 && n_drafts <= (sequence.drafter ? sequence.drafter->max_drafts : 0),
                "placeholders come last");
        require(n_drafts == 0 || n_placeholders == 1, "drafts come before a placeholder");
        require(sequence.n_output() <= sequence.max_tokens, "max_tokens");
        require(sequence.state != SequenceState::waiting || sequence.n_pending == 0, "none ran");
    }

    /// What the prefix cache has of a sequence was found there or computed by steps collected.
    void check_published(const Sequence& sequence) const {
        const int block_size = scheduler.blocks().block_size();
        const auto found = known.find(sequence.run);
        const int n_known = found == known.end() ? sequence.n_computed : found->second;
        require(sequence.table.n_published * block_size <= n_known, "published what is known");
        require(sequence.table.n_published * block_size <= sequence.n_known(), "and sampled");
        if (sequence.drafter) return;  // a guess may be in the cache, of somebody else
        const PrefixMatch match =
            scheduler.blocks().find_prefix(sequence.tokens, sequence.cache_salt);
        require(static_cast<int>(match.blocks.size()) * block_size <= sequence.n_known(),
                "no placeholder is ever found");
    }

    /// What is remembered of the prefix cache is what the cache says, and no end outlives what it
    /// follows.
    void check_match(const Sequence& sequence) const {
        const KvBlocks& blocks = scheduler.blocks();
        if (!sequence.is_reported()) {
            require(sequence.match.blocks.empty() && !sequence.leader, "it computes all itself");
            return;
        }
        const auto fresh = blocks.find_prefix(sequence.tokens, sequence.cache_salt);
        PrefixMatch match = sequence.match;
        blocks.update(match, sequence.tokens, sequence.cache_salt);
        require(match.blocks == fresh.blocks && match.ids == fresh.ids, "a match is up to date");
        const auto n_idle = std::count_if(match.blocks.begin(), match.blocks.end(),
                                          [&](int32_t b) { return blocks.ref_count(b) == 0; });
        require(blocks.n_idle(match) == n_idle, "the end of a prefix is let go first");
        const Sequence* leader = sequence.leader;
        if (!leader) return;
        require(leader->lane >= 0 && !leader->held && precedes(*leader, sequence), "leaders run");
        require(leader->n_landed < sequence.n_shared, "a leader has something to come");
        require(std::equal(sequence.tokens.begin(), sequence.tokens.begin() + sequence.n_shared,
                           leader->tokens.begin()),
                "followers share what they wait for");
    }

    /// Reference counts are exactly the tables; what no table holds is free.
    void check_blocks() const {
        const KvBlocks& blocks = scheduler.blocks();
        std::vector<int> n_refs(blocks.n_blocks());
        for (const Sequence* sequence : sequences())
            for (int32_t block : sequence->table.blocks) ++n_refs.at(block);
        for (int block = 0; block < blocks.n_blocks(); ++block)
            require(blocks.ref_count(block) == n_refs[block], "reference counts are exact");
        require(blocks.n_free() == std::count(n_refs.begin(), n_refs.end(), 0), "none leaked");
        for (const Sequence* sequence : scheduler.waiting())
            require(
                sequence->table.blocks.empty() && sequence->lane < 0 && sequence->n_computed == 0,
                "waiting holds nothing");
        for (const Sequence* sequence : sequences())
            require(sequence->held == scheduler.held().contains(const_cast<Sequence*>(sequence)),
                    "held and not listed among others");
    }

    /// No starvation: the first in order of service is in every step, unless its last token is in
    /// flight, or one that it awaits. A step is empty only if that is true of all, or if all others
    /// yield to who may come while a step is in flight.
    void check_first_runs(const Batch& batch) const {
        auto waits = [](const Sequence* s) {
            if (s->pooling) return s->n_uncomputed() == 0;
            return s->n_pending > 0 &&
                   (s->awaits_last_token || s->awaits_drafts || s->n_output() == s->max_tokens);
        };
        const auto& running = scheduler.running();
        if (batch.sequences.empty()) {
            require(scheduler.n_in_flight() > 0, "a batch while there is work");
            auto may_wait = [&](const Sequence* s) {
                return waits(s) || (s->yields && s->state == SequenceState::prefill &&
                                    backend.info().busy_step_tokens > 0);
            };
            require(awaiting || std::all_of(running.begin(), running.end(), may_wait),
                    "a batch if anyone can run");
            return;
        }
        if (waits(running.front())) return;
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
            CHECK(is_same(stream.scores, expected_scores(stream.request)));
            CHECK(stream.finish != FinishReason::none);
        }
        CHECK(scheduler.blocks().n_free() == scheduler.blocks().n_blocks());
    }

    SequenceState state(SequenceId id) const {
        const Sequence* sequence = find(id);
        return sequence ? sequence->state : SequenceState::finished;
    }
};

}  // namespace qwend
