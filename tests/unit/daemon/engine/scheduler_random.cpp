// The scheduler under seeded random loads: whatever comes, every stream is the undisturbed one.

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "tests/unit/daemon/engine/fake_drafter.h"
#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

/// Bursts of requests over a few shared prefixes and finished conversations, with cancellations
/// and holds, each drained to the end.
struct RandomLoad {
    std::mt19937 random;
    SchedulerHarness harness;
    std::set<SequenceId> held;
    int n_holds = 0;
    int n_begun = 0;  // requests that brought output
    int n_scored = 0, n_pooled = 0;
    int n_steps = 0;

    RandomLoad(uint32_t seed, const BackendInfo& info) : random(seed), harness(info) {}

    int pick(int low, int high) { return low + static_cast<int>(random() % (high - low + 1)); }

    GenerationRequest request(SequenceId id) {
        const int n_prompt = pick(1, 24), family = pick(0, 3);
        std::vector<int32_t> prompt = make_prompt(n_prompt, family);
        if (!harness.streams.empty() && pick(0, 3) == 0) {  // another turn
            auto it = std::next(harness.streams.begin(),
                                pick(0, static_cast<int>(harness.streams.size()) - 1));
            const auto before = it->second.request.prompt.tokens();
            prompt.assign(before.begin(), before.end());
            prompt.insert(prompt.end(), it->second.output.begin(), it->second.output.end());
            if (prompt.size() > 40) prompt.resize(40);
        }
        for (int n = pick(0, 6); n > 0; --n) prompt.push_back(pick(0, FakeBackend::n_vocab - 1));
        const int max_tokens = pick(1, 24);
        GenerationRequest request = make_request(id, std::move(prompt), max_tokens);
        request.priority = pick(0, 2);
        request.yields = pick(0, 2) == 0;
        request.sampling.seed = pick(0, 1);
        if (pick(0, 1)) request.sampling.stop_token_ids = {pick(0, FakeBackend::n_vocab - 1)};
        if (pick(0, 9) == 0) request.cache_salt = "salt";
        add_kinds(request);
        return request;
    }

    /// What a request may bring along, in any combination; and it may have begun elsewhere.
    void add_kinds(GenerationRequest& request) {
        if (!harness.backend.info().samples || pick(0, 6) == 0) return add_pooling(request);
        request.awaits_last_token = pick(0, 5) == 0;
        if (pick(0, 7) == 0) request.n_prompt_logprobs = pick(0, 2);
        n_scored += request.n_prompt_logprobs >= 0;
        if (pick(0, 5) == 0) request.constraint = fake_constraint();
        if (harness.backend.info().max_samples > 1 && pick(0, 2) == 0)
            request.drafter = fake_drafter(request, pick(1, 5), Guesses{pick(0, 3)}, random());
        if (pick(0, 3) > 0) return;
        request.output = expected_output(request);
        // The last one may be its end.
        request.output.resize(pick(0, std::max(0, static_cast<int>(request.output.size()) - 1)));
        n_begun += !request.output.empty();
    }

    void add_pooling(GenerationRequest& request) {
        const auto tokens = request.prompt.tokens();
        const auto n_prompt = static_cast<int>(tokens.size());
        request.max_tokens = 0;
        request.pooling =
            PoolingRequest{static_cast<Pooling>(pick(0, 6)), pick(0, n_prompt - 1), {}};
        if (pick(0, 1)) request.pooling->only_token = tokens[random() % tokens.size()];
        if (request.pooling->pooling != Pooling::each) request.pooling->only_token.reset();
        ++n_pooled;
    }

    void cancel_one() {
        const auto list = harness.sequences();
        if (list.empty()) return;
        const SequenceId id = list[pick(0, static_cast<int>(list.size()) - 1)]->id;
        held.erase(id);
        harness.require(harness.scheduler.cancel(id), "cancelled");
        harness.streams.erase(id);
        harness.check();
    }

    void hold_one() {
        const auto list = harness.sequences();
        if (list.empty()) return;
        const SequenceId id = list[pick(0, static_cast<int>(list.size()) - 1)]->id;
        harness.scheduler.hold(id);
        held.insert(id), ++n_holds;
        harness.check();
    }

    void resume_one() {
        if (held.empty()) return;
        const auto it = std::next(held.begin(), pick(0, static_cast<int>(held.size()) - 1));
        harness.scheduler.resume(*it);  // or it has finished by what was in flight
        held.erase(it);
        harness.check();
    }

    /// Between the steps, and between the launches and the collection of one.
    void meddle() {
        if (pick(0, 19) == 0) cancel_one();
        if (pick(0, 19) == 0) hold_one();
        if (pick(0, 9) == 0) resume_one();
    }

    void burst() {
        harness.streams.clear();
        int n_left = pick(1, 40);
        SequenceId id = 0;
        int64_t patience = 0;
        while (n_left > 0 || harness.scheduler.n_sequences() > 0 || !harness.scheduler.idle()) {
            for (int n = pick(0, 4); n > 0 && n_left > 0; --n, --n_left) {
                GenerationRequest next = request(id++);
                // One that awaits its last token takes no part in the other steps in flight.
                const int n_turns = harness.backend.info().max_steps_in_flight;
                patience +=
                    4 * (static_cast<int>(next.prompt.size()) + n_turns * next.max_tokens) + 4;
                harness.require(harness.add(std::move(next)), "it fits");
            }
            meddle();
            if (harness.scheduler.idle()) {
                resume_one();
                continue;
            }
            harness.launch_all();
            const int n_before = n_holds;
            meddle();
            harness.collect();
            ++n_steps;
            patience += 60 * (n_holds - n_before);  // it may start over
            harness.require(patience-- > 0, "everything finishes in time");
        }
        held.clear();  // finished by what was in flight
        for (const auto& [_, stream] : harness.streams) {
            harness.require(stream.finish != FinishReason::none, "finished");
            harness.require(stream.output == expected_output(stream.request), "undisturbed");
            harness.require(is_same(stream.scores, expected_scores(stream.request)), "scored once");
            if (stream.request.pooling)
                harness.require(
                    stream.vectors ==
                        expected_vectors(stream.request, harness.backend.info().is_causal),
                    "pooled once");
        }
    }
};

}  // namespace

TEST_CASE("scheduler: 100,000 random steps leak nothing, starve nobody and change no token") {
    // From ample to so tight that one sequence may need the whole pool (18 blocks of 4).
    BackendInfo late_masks[] = {fake_info(4, 40, 16, 8), fake_info(4, 18, 7, 6)};
    for (BackendInfo& info : late_masks) info.late_masks = true;
    late_masks[0].busy_step_tokens = 5;
    BackendInfo busy = fake_info(4, 40, 16, 8);
    busy.busy_step_tokens = 5;
    const BackendInfo infos[] = {fake_info(4, 200, 64, 16),
                                 fake_info(4, 40, 16, 8),
                                 fake_info(4, 18, 7, 6),
                                 fake_info(4, 18, 3, 8),
                                 fake_info(1, 90, 20, 8),
                                 busy,
                                 late_masks[0],
                                 late_masks[1]};
    for (const int depth : {1, 2, 3}) {
        CAPTURE(depth);
        uint64_t n_preemptions = 0, n_hits = 0, n_dropped = 0, n_holds = 0;
        int n_late_masks = 0;
        uint64_t n_begun = 0, n_right = 0, n_wrong = 0, n_scored = 0, n_pooled = 0;
        for (BackendInfo info : infos) {
            info.max_steps_in_flight = depth;
            RandomLoad load(42, info);
            while (load.n_steps < 20000) load.burst();
            const Scheduler& scheduler = load.harness.scheduler;
            CHECK(scheduler.blocks().n_free() == info.n_blocks);
            n_preemptions += scheduler.counters().preemptions;
            n_hits += scheduler.counters().prefix_hit;
            n_holds += load.n_holds;
            n_begun += load.n_begun;
            n_late_masks += load.harness.n_late_masks;
            n_scored += load.n_scored;
            n_pooled += load.n_pooled;
            n_right += load.harness.n_right;
            n_wrong += load.harness.n_drafted - load.harness.n_right;
            n_dropped += load.harness.n_sampled - load.harness.n_events;
        }
        CHECK(n_preemptions > 1000);
        CHECK(n_hits > 100000);
        CHECK(n_dropped > 1000);
        CHECK(n_holds > 1000);
        CHECK(n_begun > 1000);
        CHECK((n_late_masks > 1000) == (depth > 1));
        CHECK(n_scored > 1000);
        CHECK(n_pooled > 1000);
        CHECK(n_right > 10000);
        CHECK(n_wrong > 10000);
    }
}

TEST_CASE("scheduler: 20,000 random steps of whole sequences lose and mix up none") {
    for (const int depth : {1, 2, 3})
        for (BackendInfo info : {fake_info(4, 200, 64, 16), fake_info(4, 18, 50, 6)}) {
            CAPTURE(depth);
            info.max_steps_in_flight = depth;
            info.samples = info.is_causal = false;
            info.max_vectors = 50;
            if (info.n_blocks == 200) info.busy_step_tokens = 8;  // shorter than many of them
            RandomLoad load(43, info);
            while (load.n_steps < 20000 / 6) load.burst();
            CHECK(load.harness.scheduler.blocks().n_free() == info.n_blocks);
            CHECK(load.harness.scheduler.counters().prefix_hit == 0);
            CHECK(load.n_pooled > 1000);
        }
}

}  // namespace qwend
