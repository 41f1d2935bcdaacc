// Sequences that are held back because nobody takes their tokens.

#include <doctest/doctest.h>

#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

size_t n_tokens(const Harness& harness, SequenceId id) {
    return harness.streams.at(id).output.size();
}

}  // namespace

TEST_CASE("scheduler held: it gets what is in flight and no more, then goes on where it was") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 4, depth));
    for (int id = 1; id <= 2; ++id) harness.add(make_request(id, make_prompt(5, id), 40));
    for (int i = 0; i < 5; ++i) harness.step();
    harness.launch_all();
    harness.scheduler.hold(1);
    const size_t n_before = n_tokens(harness, 1), n_pending = harness.find(1)->n_pending;
    CHECK(n_pending == static_cast<size_t>(depth));
    for (int i = 0; i < 10; ++i) harness.step();
    CHECK(n_tokens(harness, 1) == n_before + n_pending);
    CHECK(n_tokens(harness, 2) > n_before + n_pending);
    CHECK(harness.state(1) == SequenceState::decode);  // it has its blocks still
    harness.scheduler.resume(1);
    harness.run();
    harness.check_outputs();
    CHECK(harness.scheduler.counters().preemptions == 0);
}

TEST_CASE("scheduler held: in every state, again and again, and where nothing else is") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 8, 2, depth));
    auto hold_and_resume = [&](SequenceState state) {
        REQUIRE(harness.state(1) == state);
        for (int i = 0; i < 2; ++i) harness.scheduler.hold(1);
        while (harness.scheduler.n_in_flight() > 0) harness.collect();
        CHECK(harness.scheduler.idle());
        CHECK(harness.scheduler.n_sequences() == 1);
        for (int i = 0; i < 2; ++i) harness.scheduler.resume(1);
        CHECK_FALSE(harness.scheduler.idle());
        CHECK(harness.state(1) == state);
    };
    harness.scheduler.hold(77), harness.scheduler.resume(77);
    harness.add(make_request(1, make_prompt(30), 20));
    hold_and_resume(SequenceState::waiting);
    REQUIRE(harness.launch());
    hold_and_resume(SequenceState::prefill);
    while (harness.state(1) != SequenceState::decode) harness.step();
    hold_and_resume(SequenceState::decode);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler held: gives its lane to one that waits for it") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 2, depth));
    for (int id = 1; id <= 2; ++id) harness.add(make_request(id, make_prompt(5, id), 30));
    for (int i = 0; i < 4; ++i) harness.step();
    for (int id = 1; id <= 2; ++id) harness.scheduler.hold(id);
    GenerationRequest last = make_request(3, make_prompt(5, 3), 5);
    last.priority = 9;
    harness.add(last);
    harness.run();
    CHECK(harness.streams[3].output == expected_output(last));
    CHECK(harness.scheduler.held().size() == 1);
    CHECK(harness.scheduler.counters().preemptions == 1);
    CHECK(harness.state(1) == SequenceState::decode);  // the last in order of service went
    for (int id = 1; id <= 2; ++id) harness.scheduler.resume(id);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler held: gives its blocks to one that waits for them, then to one that grows") {
    const int depth = each_depth();
    for (bool prefix_cache : {false, true}) {
        CAPTURE(prefix_cache);
        Harness harness(fake_info(4, 8, 32, 4, depth), prefix_cache);
        harness.add(make_request(1, make_prompt(14, 1), 18));  // all the pool in the end
        harness.step();
        harness.scheduler.hold(1);
        harness.add(make_request(2, make_prompt(14, 2), 3));
        harness.run();
        CHECK(harness.scheduler.counters().preemptions == 0);  // there was room beside it
        harness.add(make_request(3, make_prompt(9, 3), 20));
        harness.run();  // grows into the blocks of the first
        CHECK(harness.scheduler.counters().preemptions == 1);
        CHECK(harness.scheduler.held().empty());
        harness.scheduler.resume(1);
        for (int i = 0; i < 3; ++i) harness.step();
        harness.scheduler.hold(1);
        harness.add(make_request(4, make_prompt(29, 4), 2));
        harness.run();  // does not even fit beside it
        CHECK(harness.scheduler.counters().preemptions == 2);
        harness.scheduler.resume(1);
        harness.run();
        harness.check_outputs();
    }
}

TEST_CASE("scheduler held: one that shares a prefix with it takes the blocks over") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 8, 32, 1, depth));
    harness.add(make_request(1, make_prompt(21), 8));
    harness.step();
    harness.scheduler.hold(1);
    harness.add(make_request(2, make_prompt(21), 8));  // 7 blocks in the end, 5 of them shared
    harness.run();
    CHECK(harness.streams[2].n_cached == 20);
    harness.scheduler.resume(1);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler held: resumed among more than a step takes, and nobody starves") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 2, 8, depth));
    for (int id = 1; id <= 3; ++id) harness.add(make_request(id, make_prompt(3, id), 20));
    for (int turn = 0; turn < 40; ++turn) {
        if (harness.scheduler.idle()) break;
        for (int id = 1; id <= 3; ++id)
            if (turn % 3 == id % 3)
                harness.scheduler.hold(id);
            else
                harness.scheduler.resume(id);
        if (!harness.scheduler.idle()) harness.step();
    }
    for (int id = 1; id <= 3; ++id) harness.scheduler.resume(id);
    harness.run(1000);
    harness.check_outputs();
}

TEST_CASE("scheduler held: cancelled or finished meanwhile, it gives everything back") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 1, depth));
    harness.add(make_request(1, make_prompt(5, 1), 30));
    harness.add(make_request(2, make_prompt(5, 2), 30));
    harness.step();
    for (int id = 1; id <= 2; ++id) harness.scheduler.hold(id);
    for (int id = 1; id <= 2; ++id) {  // one with blocks and one without
        CHECK(harness.scheduler.cancel(id));
        harness.streams.erase(id);
    }
    while (harness.scheduler.n_in_flight() > 0) harness.collect();
    CHECK(harness.scheduler.n_sequences() == 0);
    harness.check_outputs();

    harness.add(make_request(3, make_prompt(5), 1));
    REQUIRE(harness.launch());
    harness.scheduler.hold(3);
    harness.collect();  // its last token
    CHECK(harness.streams[3].finish == FinishReason::length);
    CHECK(harness.scheduler.held().empty());
    CHECK(harness.scheduler.n_sequences() == 0);
    harness.scheduler.resume(3);
    CHECK(harness.scheduler.idle());
    harness.check_outputs();
}

}  // namespace qwend
