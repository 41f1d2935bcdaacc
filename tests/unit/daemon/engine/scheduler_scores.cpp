// Sequences whose prompt is scored.

#include <doctest/doctest.h>

#include <limits>

#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

GenerationRequest scored_request(SequenceId id, int n_prompt, int family, int max_tokens) {
    GenerationRequest request = make_request(id, make_prompt(n_prompt, family), max_tokens);
    request.n_prompt_logprobs = 2;
    return request;
}

}  // namespace

TEST_CASE("scheduler scores: every token of the prompt but the first, before any is sampled") {
    const int depth = each_depth();
    for (const int n_prompt : {1, 2, 7, 8, 9, 33}) {
        CAPTURE(n_prompt);
        Harness harness(fake_info(4, 64, 32, 4, depth));
        harness.add(scored_request(1, n_prompt, 0, 3));
        harness.run();
        harness.check_outputs();
        CHECK(harness.streams[1].scores.size() == size_t(n_prompt - 1));
    }
}

TEST_CASE("scheduler scores: chunks are as small as the scores of a step, of all that have any") {
    Harness harness(fake_info(4, 64, 32, 4));  // 6 scores a step
    harness.add(scored_request(1, 9, 1, 2));
    harness.add(make_request(2, make_prompt(9, 2), 2));
    harness.add(scored_request(3, 9, 3, 2));
    std::vector<std::vector<int>> chunks;
    while (!harness.scheduler.idle()) {
        harness.step();
        chunks.emplace_back();
        for (const BatchSequence& row : harness.last_batch.sequences)
            chunks.back().push_back(row.n_query);
    }
    // The third finds no score left in the first step. Of the second step's six, two are the
    // first's; its last token, which is sampled after, needs none.
    CHECK(chunks[0] == std::vector<int>{6, 9});
    CHECK(chunks[1] == std::vector<int>{1, 3, 4});
    CHECK(chunks[2] == std::vector<int>{1, 5});
    harness.check_outputs();
}

TEST_CASE("scheduler scores: what cannot be scored is refused") {
    BackendInfo info = fake_info(4, 64, 32, 4);
    info.max_scores = 0;
    Scheduler scheduler(info, true);
    CHECK_FALSE(scheduler.add(scored_request(1, 9, 1, 2), 0));
    CHECK(scheduler.add(make_request(1, make_prompt(9), 2), 0));
}

TEST_CASE("scheduler scores: nothing is taken from the prefix cache, but left there") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 32, 4, depth));
    harness.add(make_request(1, make_prompt(20), 2));
    harness.run();
    harness.add(scored_request(2, 20, 0, 2));
    harness.run();
    CHECK(harness.streams[2].n_cached == 0);
    const uint64_t n_queried = harness.scheduler.counters().prefix_queried;
    CHECK(n_queried == 20);
    harness.add(scored_request(3, 22, 5, 2));
    harness.run();
    harness.add(make_request(4, make_prompt(22, 5), 2));
    harness.run();
    CHECK(harness.streams[4].n_cached == 20);
    harness.check_outputs();
}

TEST_CASE("scheduler scores: the other choices of a prompt share what the first computes") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 64, 8, depth));
    harness.add(scored_request(1, 33, 0, 4));
    for (SequenceId id = 2; id <= 4; ++id) {
        GenerationRequest request = make_request(id, make_prompt(33), 4);
        request.sampling.seed = id;
        harness.add(request);
    }
    harness.run();
    for (SequenceId id = 2; id <= 4; ++id) CHECK(harness.streams[id].n_cached == 32);
    harness.check_outputs();
}

TEST_CASE("scheduler scores: a preempted sequence goes on where its scores end") {
    // The first grows until the second, in the middle of its scores, has to give its blocks back.
    for (const int depth : {1, 2, 3})
        for (const bool prefix_cache : {false, true}) {
            CAPTURE(depth);
            CAPTURE(prefix_cache);
            BackendInfo info = fake_info(4, 18, 64, 4, depth);
            info.max_scores = 1;
            Harness harness(info, prefix_cache);
            harness.add(make_request(1, make_prompt(4, 1), 40));
            harness.add(scored_request(2, 36, 2, 4));
            bool was_preempted = false;
            int n_scores = 0;
            while (!harness.scheduler.idle()) {
                harness.step();
                const Sequence* second = harness.find(2);
                if (!second || second->state != SequenceState::preempted || was_preempted) continue;
                was_preempted = true;
                n_scores = second->n_reported;
            }
            CHECK(was_preempted);
            CHECK(n_scores > 0);
            CHECK(n_scores < 35);
            harness.check_outputs();
        }
}

TEST_CASE("scheduler scores: scores in flight are given though the sequence started over") {
    BackendInfo info = fake_info(4, 18, 64, 4, 3);
    info.max_scores = 4;
    Harness harness(info);
    harness.add(scored_request(1, 30, 1, 2));
    REQUIRE(harness.launch());
    REQUIRE(harness.launch());
    harness.scheduler.hold(1);
    harness.add(make_request(2, make_prompt(50, 2), 2));  // takes its blocks
    REQUIRE(harness.launch());
    REQUIRE(harness.find(1) == nullptr);
    harness.collect();
    CHECK(harness.streams[1].scores.size() == 4);
    harness.scheduler.resume(1);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler scores: numbers that are not finite end the sequence with an error") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 32, 4, depth));
    harness.backend.after_collect = [](StepResult& result) {
        if (!result.scores.empty()) result.scores.back().given.token = kNotANumber;
    };
    harness.add(scored_request(1, 20, 1, 2));
    harness.add(make_request(2, make_prompt(20, 2), 4));
    harness.run();
    CHECK(harness.streams[1].finish == FinishReason::error);
    CHECK(harness.streams[1].scores.empty());
    CHECK(harness.streams[2].output == expected_output(harness.streams[2].request));
    CHECK(harness.scheduler.blocks().n_free() == harness.scheduler.blocks().n_blocks());
}

}  // namespace qwend
