// The scheduler with several steps between schedule() and postprocess().

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

/// Three streams that outgrow a pool of 9 blocks, up to the launch that preempts the third while
/// its last two tokens are in flight.
struct PreemptedInFlight {
    Harness harness{fake_info(4, 9, 32, 4, 3)};

    explicit PreemptedInFlight(const GenerationRequest& third) {
        for (int id = 1; id <= 2; ++id) harness.add(make_request(id, make_prompt(8, id), 20));
        harness.add(third);
        while (harness.state(3) != SequenceState::preempted) {
            if (harness.scheduler.n_in_flight() == 3) harness.collect();
            REQUIRE(harness.launch());
            REQUIRE(harness.state(3) != SequenceState::finished);
        }
        REQUIRE(harness.find(3)->n_pending == 2);
    }
    static GenerationRequest third() { return make_request(3, make_prompt(5, 3), 20); }
};

}  // namespace

TEST_CASE("scheduler in flight: placeholders stand for the tokens that are not known yet") {
    Harness harness(fake_info(4, 64, 16, 4, 2));
    for (int id = 1; id <= 2; ++id) harness.add(make_request(id, make_prompt(3, id), 9));
    REQUIRE(harness.launch());
    REQUIRE(harness.launch());
    CHECK(harness.in_flight[1].tokens == std::vector<int32_t>{-1 - 0, -1 - 1});
    CHECK(harness.in_flight[1].positions == std::vector<int32_t>{3, 3});
    CHECK(harness.find(1)->output().size() == 2);
    CHECK(harness.streams[1].output.empty());

    harness.collect(), harness.collect();
    CHECK(harness.streams[1].output.size() == 2);
    REQUIRE(harness.launch());  // nothing was in flight, so all is known
    CHECK(harness.in_flight[0].tokens ==
          std::vector<int32_t>{harness.streams[1].output[1], harness.streams[2].output[1]});
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler in flight: max_tokens is never overrun") {
    for (const int depth : {1, 2, 3})
        for (int max_tokens = 1; max_tokens <= 5; ++max_tokens) {
            CAPTURE(depth);
            CAPTURE(max_tokens);
            Harness harness(fake_info(4, 64, 16, 4, depth));
            harness.add(make_request(1, make_prompt(5), max_tokens));
            harness.launch_all();
            CHECK(harness.scheduler.n_in_flight() == std::min(depth, max_tokens));
            harness.run();
            harness.check_outputs();
            CHECK(harness.streams[1].finish == FinishReason::length);
            CHECK(harness.n_sampled == static_cast<size_t>(max_tokens));
        }
}

TEST_CASE("scheduler in flight: a stop token found late drops what came after it, and no more") {
    for (const int depth : {1, 2, 3})
        for (const bool at_length : {false, true}) {
            CAPTURE(depth);
            CAPTURE(at_length);
            Harness harness(fake_info(4, 64, 16, 4, depth));
            GenerationRequest request = make_request(1, make_prompt(5), at_length ? 8 : 50);
            request.sampling.stop_token_ids = {expected_output(request)[7]};
            harness.add(request);
            harness.add(make_request(2, make_prompt(5, 1), 40));
            harness.run();
            harness.check_outputs();
            CHECK(harness.streams[1].finish == FinishReason::stop);
            CHECK(harness.streams[1].output.size() == 8);
            const int n_dropped = at_length ? 0 : depth - 1;
            CHECK(harness.n_sampled - harness.n_events == static_cast<size_t>(n_dropped));
        }
}

TEST_CASE("scheduler in flight: cancel in every state drops what is in flight") {
    Harness harness(fake_info(4, 8, 8, 3, 2));
    auto cancel_in = [&](SequenceId id, SequenceState state, int n_pending) {
        REQUIRE(harness.state(id) == state);
        REQUIRE(harness.find(id)->n_pending == n_pending);
        CHECK(harness.scheduler.cancel(id));
        CHECK_FALSE(harness.scheduler.cancel(id));
        harness.check();
        harness.streams.erase(id);
    };
    harness.add(make_request(1, make_prompt(14, 1), 2));
    REQUIRE(harness.launch());
    cancel_in(1, SequenceState::prefill, 0);
    CHECK(harness.scheduler.blocks().n_free() == 8);
    CHECK_FALSE(harness.scheduler.idle());
    CHECK_FALSE(harness.launch());
    harness.add(make_request(1, make_prompt(14, 2), 2));  // same lane, blocks and even id
    REQUIRE(harness.launch());
    harness.collect();
    CHECK(harness.scheduler.blocks().find_prefix(make_prompt(14, 1), "").blocks.empty());
    REQUIRE(harness.launch());
    cancel_in(1, SequenceState::decode, 1);  // its first token is in flight
    harness.collect(), harness.collect();
    CHECK(harness.scheduler.idle());

    for (int id = 3; id <= 5; ++id) harness.add(make_request(id, make_prompt(6, id), 20));
    while (harness.state(5) != SequenceState::preempted) {
        if (harness.scheduler.n_in_flight() == 2) harness.collect();
        REQUIRE(harness.launch());
    }
    cancel_in(5, SequenceState::preempted, 1);
    cancel_in(4, SequenceState::decode, 2);
    harness.add(make_request(6, make_prompt(6, 6), 3));
    cancel_in(6, SequenceState::waiting, 0);
    harness.run();
    harness.check_outputs();
    CHECK(harness.streams.size() == 1);
}

TEST_CASE("scheduler in flight: a finished sequence is gone while its last step is in flight") {
    Harness harness(fake_info(4, 64, 16, 1, 2));
    GenerationRequest request = make_request(1, make_prompt(5), 50);
    request.sampling.stop_token_ids = {expected_output(request)[0]};
    harness.add(request);
    harness.add(make_request(2, make_prompt(5, 2), 3));
    harness.step();
    CHECK(harness.streams[1].finish == FinishReason::stop);
    CHECK(harness.scheduler.n_in_flight() == 1);
    CHECK_FALSE(harness.scheduler.cancel(1));
    REQUIRE(harness.launch());  // its lane and blocks are used again at once
    CHECK(harness.state(2) == SequenceState::decode);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler in flight: a preempted sequence waits for its token, then starts over") {
    PreemptedInFlight run(PreemptedInFlight::third());
    Harness& harness = run.harness;
    const Sequence& sequence = *harness.find(3);
    for (int id = 1; id <= 2; ++id) {  // all the pool is free now
        harness.scheduler.cancel(id);
        harness.streams.erase(id);
    }
    harness.add(make_request(4, make_prompt(6, 4), 3));
    harness.collect();
    REQUIRE(sequence.n_pending == 1);
    CHECK_FALSE(harness.launch());  // yet its last token is not known, and nobody overtakes it
    harness.collect();
    REQUIRE(sequence.n_pending == 0);
    CHECK(std::ranges::equal(sequence.output(), harness.streams[3].output));
    REQUIRE(harness.launch());
    CHECK(sequence.state == SequenceState::decode);
    CHECK(harness.in_flight.back().tokens[0] >= 0);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler in flight: the late token of a preempted sequence may finish it") {
    const int n_output = [] {
        PreemptedInFlight run(PreemptedInFlight::third());
        return run.harness.find(3)->n_output();
    }();
    GenerationRequest third = PreemptedInFlight::third();
    FinishReason finish;
    SUBCASE("by a stop token") {
        third.sampling.stop_token_ids = {expected_output(third)[n_output - 1]};
        finish = FinishReason::stop;
    }
    SUBCASE("by its length") {
        third.max_tokens = n_output;
        finish = FinishReason::length;
    }
    PreemptedInFlight run(third);
    Harness& harness = run.harness;
    const size_t n_waiting = harness.scheduler.waiting().size();
    while (harness.scheduler.n_in_flight() > 0) harness.collect();
    CHECK(harness.streams[3].finish == finish);
    CHECK(harness.streams[3].output.size() == static_cast<size_t>(n_output));
    CHECK(harness.scheduler.waiting().size() == n_waiting - 1);
    CHECK_FALSE(harness.scheduler.cancel(3));
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler in flight: the prefix cache learns of a block when its step is over") {
    Harness harness(fake_info(4, 64, 32, 4, 2));
    harness.add(make_request(1, make_prompt(9), 5));
    REQUIRE(harness.launch());
    CHECK(harness.scheduler.blocks().find_prefix(make_prompt(9), "").blocks.empty());
    harness.add(make_request(2, make_prompt(9), 5));
    GenerationRequest urgent = make_request(3, make_prompt(9), 5);
    urgent.priority = -1;
    harness.add(urgent);
    REQUIRE(harness.launch());
    CHECK(harness.state(2) == SequenceState::waiting);  // for what is in flight
    CHECK(harness.state(3) == SequenceState::decode);   // which the urgent does not
    harness.collect();
    CHECK(harness.scheduler.blocks().find_prefix(make_prompt(9), "").blocks.size() == 2);
    REQUIRE(harness.launch());
    CHECK(harness.state(2) == SequenceState::decode);
    harness.run();
    CHECK(harness.streams[2].n_cached == 8);
    CHECK(harness.streams[3].n_cached == 0);
    harness.check_outputs();
}

}  // namespace qwend
