#include "daemon/engine/scheduler.h"

#include <doctest/doctest.h>

#include <tuple>

#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

std::vector<int> chunk_sizes(Harness& harness) {
    std::vector<int> sizes;
    while (!harness.scheduler.idle()) {
        harness.step();
        for (const BatchSequence& row : harness.last_batch.sequences) sizes.push_back(row.n_query);
    }
    return sizes;
}

/// Tokens of the step that is launched; 0: none is.
size_t launch(Harness& harness) {
    return harness.launch() ? harness.in_flight.back().tokens.size() : 0;
}

GenerationRequest with_priority(GenerationRequest request, int priority) {
    request.priority = priority;
    return request;
}

}  // namespace

TEST_CASE("scheduler: a prompt is prefilled in chunks of the token budget") {
    const int depth = each_depth();
    struct Case {
        int n_prompt;
        std::vector<int> chunks;
    };
    for (const Case& c : {Case{1, {1, 1}}, Case{15, {15, 1}}, Case{16, {16, 1}},
                          Case{17, {16, 1, 1}}, Case{32, {16, 16, 1}}, Case{33, {16, 16, 1, 1}}}) {
        CAPTURE(c.n_prompt);
        Harness harness(fake_info(4, 64, 16, 4, depth));
        REQUIRE(harness.add(make_request(1, make_prompt(c.n_prompt), 2)));
        CHECK(chunk_sizes(harness) == c.chunks);
        harness.check_outputs();
    }
}

TEST_CASE("scheduler: decode rows come first, prefill takes what is left of the budget") {
    Harness harness(fake_info(4, 64, 8, 4));
    harness.add(make_request(1, make_prompt(3, 1), 20));
    harness.step();
    harness.add(make_request(2, make_prompt(10, 2), 5));
    harness.add(make_request(3, make_prompt(6, 3), 5));
    harness.step();  // 1 decode + 7 of the 10
    REQUIRE(harness.last_batch.sequences.size() == 2);
    CHECK(harness.last_batch.sequences[0].n_query == 1);
    CHECK(harness.last_batch.sequences[1].n_query == 7);
    CHECK(harness.last_batch.sequences[1].sampling == nullptr);
    harness.step();  // 1 decode + the last 3 + 4 of the 6
    REQUIRE(harness.last_batch.sequences.size() == 3);
    CHECK(harness.last_batch.sequences[1].n_query == 3);
    CHECK(harness.last_batch.sequences[1].sampling != nullptr);
    CHECK(harness.last_batch.sequences[2].n_query == 4);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: where a stream waits for the step, it is a smaller one") {
    BackendInfo info = fake_info(4, 64, 16, 4);
    info.busy_step_tokens = 8;
    Harness harness(info);
    harness.add(make_request(1, make_prompt(20, 1), 4));
    harness.step();
    CHECK(harness.last_batch.tokens.size() == 16);  // nobody waits
    harness.add(make_request(2, make_prompt(60, 2), 2));
    harness.step();
    CHECK(harness.last_batch.tokens.size() == 16);
    for (int i = 0; i < 3; ++i) {  // the other tokens of the first
        harness.step();
        REQUIRE(harness.last_batch.sequences.size() == 2);
        CHECK(harness.last_batch.sequences[0].n_query == 1);
        CHECK(harness.last_batch.sequences[1].n_query == 7);
    }
    harness.step();
    CHECK(harness.last_batch.tokens.size() == 16);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: prompts that yield have small steps, one at a time, beside no other prompt") {
    BackendInfo info = fake_info(4, 64, 16, 4, 2);
    info.busy_step_tokens = 8;
    Harness harness(info);
    GenerationRequest yielding = make_request(1, make_prompt(40, 1), 2);
    yielding.yields = true, yielding.priority = 1;
    harness.add(yielding);
    CHECK(launch(harness) == 8);
    CHECK(launch(harness) == 0);  // one is in flight
    harness.add(make_request(2, make_prompt(12, 2), 2));
    CHECK(launch(harness) == 12);  // the other prompt waits for no more, and is alone
    harness.collect();
    CHECK(launch(harness) == 1 + 7);  // beside the token of a stream
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: a step budget smaller than the running sequences starves nobody") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 2, 8, depth));
    for (int id = 1; id <= 8; ++id) harness.add(make_request(id, make_prompt(3, id), 6));
    harness.run(1000);
    harness.check_outputs();
}

TEST_CASE("scheduler: no more sequences than lanes, and lanes are used again") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 64, 3, depth));
    for (int id = 1; id <= 10; ++id) harness.add(make_request(id, make_prompt(3, id), 4));
    harness.step();
    CHECK(harness.scheduler.running().size() == 3);
    CHECK(harness.scheduler.waiting().size() == 7);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: finishes at a stop token, which is delivered") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 2, depth));
    GenerationRequest request = make_request(1, make_prompt(5), 50);
    request.sampling.stop_token_ids = {expected_output(request)[7]};
    harness.add(request);
    harness.run();
    harness.check_outputs();
    CHECK(harness.streams[1].finish == FinishReason::stop);
    CHECK(harness.streams[1].output.back() == request.sampling.stop_token_ids[0]);
}

TEST_CASE("scheduler: numbers that are not finite leave nothing in the prefix cache") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 8, depth));
    for (int id = 1; id <= 3; ++id) harness.add(make_request(id, make_prompt(13), 30));
    harness.add(make_request(4, make_prompt(9, 4), 12));
    while (harness.streams[3].output.size() < 5) harness.step();
    // The third row, whose whole prompt the first computed, and the first beside it shares.
    harness.backend.after_collect = [&](StepResult& result) {
        if (result.samples.size() == 4) result.samples[2].token = kNotANumber;
    };
    harness.step();
    harness.backend.after_collect = nullptr;
    CHECK(harness.streams[3].finish == FinishReason::error);
    CHECK(harness.scheduler.n_sequences() == 3);
    CHECK(harness.scheduler.blocks().find_prefix(make_prompt(13), "").blocks.empty());
    const std::vector<int32_t> before = harness.streams[3].output;
    harness.streams.erase(3);
    harness.run();
    harness.check_outputs();
    // The others were healthy, so what they had is in the cache again.
    CHECK(harness.scheduler.blocks().find_prefix(make_prompt(13), "").blocks.size() == 3);
    CHECK(before.size() >= 5);
}

TEST_CASE("scheduler: refuses what could never run") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 4, 16, 2, depth));  // 16 tokens; the last one needs no place
    CHECK(harness.add(make_request(1, make_prompt(10), 7)));
    CHECK_FALSE(harness.add(make_request(2, make_prompt(10), 8)));
    CHECK_FALSE(harness.add(make_request(3, make_prompt(17), 1)));
    CHECK_FALSE(harness.add(make_request(4, {}, 1)));
    CHECK_FALSE(harness.add(make_request(5, make_prompt(3), 0)));
    CHECK_FALSE(harness.add(make_request(6, make_prompt(10), 2147483647)));
    CHECK_FALSE(harness.scheduler.add(make_request(1, make_prompt(3), 1), 0));  // id in use
    harness.run();
    CHECK(harness.streams[1].output == expected_output(harness.streams[1].request));
}

TEST_CASE("scheduler: cache hits at block edges leave at least one token to compute") {
    const int depth = each_depth();
    const std::vector<std::pair<int, int>> cases = {{1, 0},   {15, 0},  {16, 0},  {17, 16},
                                                    {31, 16}, {32, 16}, {33, 32}, {47, 32},
                                                    {48, 32}, {49, 48}};
    for (const auto& edge : cases) {
        const int n_prompt = edge.first, n_cached = edge.second;
        CAPTURE(n_prompt);
        Harness harness(fake_info(16, 16, 64, 4, depth));
        harness.add(make_request(1, make_prompt(n_prompt), 3));
        harness.run();
        harness.add(make_request(2, make_prompt(n_prompt), 3));
        harness.step();
        CHECK(harness.last_batch.sequences[0].n_query == n_prompt - n_cached);
        harness.run();
        CHECK(harness.streams[1].n_cached == 0);
        CHECK(harness.streams[2].n_cached == n_cached);
        CHECK(harness.scheduler.counters().prefix_queried == 2u * n_prompt);
        CHECK(harness.scheduler.counters().prefix_hit == static_cast<uint64_t>(n_cached));
        harness.check_outputs();
    }
}

TEST_CASE("scheduler: the next turn of a chat finds prompt and answer in the cache") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 64, 4, depth));
    harness.add(make_request(1, make_prompt(10), 9));  // 18 of 19 tokens are computed
    harness.run();
    std::vector<int32_t> next = make_prompt(10);
    for (int32_t token : harness.streams[1].output) next.push_back(token);
    next.push_back(5);
    harness.add(make_request(2, next, 3));
    harness.run();
    CHECK(harness.streams[2].n_cached == 16);
    harness.check_outputs();
}

TEST_CASE("scheduler: salts separate caches, and the cache can be off") {
    const int depth = each_depth();
    Harness salted(fake_info(4, 64, 64, 4, depth));
    for (int id = 1; id <= 3; ++id) {
        GenerationRequest request = make_request(id, make_prompt(9), 3);
        request.cache_salt = id == 1 ? "a" : "b";
        salted.add(request);
        salted.run();
    }
    CHECK(salted.streams[2].n_cached == 0);
    CHECK(salted.streams[3].n_cached == 8);
    salted.check_outputs();

    Harness off(fake_info(4, 64, 64, 4, depth), false);
    for (int id = 1; id <= 2; ++id) off.add(make_request(id, make_prompt(9), 3)), off.run();
    CHECK(off.streams[2].n_cached == 0);
    CHECK(off.scheduler.counters().prefix_queried == 0);
    off.check_outputs();
}

TEST_CASE("scheduler: choices that arrive together prefill their prompt once") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 16, 8, depth));
    for (int id = 1; id <= 6; ++id) {
        GenerationRequest request = make_request(id, make_prompt(41), 5);
        request.sampling.seed = id;
        harness.add(request);
    }
    harness.add(make_request(7, make_prompt(6, 1), 5));  // shares nothing, so need not wait
    harness.step(), harness.step(), harness.step();
    CHECK(harness.state(7) == SequenceState::decode);
    CHECK(harness.state(2) == SequenceState::waiting);
    harness.step();
    CHECK(harness.scheduler.running().size() == 7);
    CHECK(64 - harness.scheduler.blocks().n_free() == 10 + 6 + 2);  // shared, own, other
    harness.run();
    for (int id = 2; id <= 6; ++id) CHECK(harness.streams[id].n_cached == 40);
    harness.check_outputs();
}

TEST_CASE("scheduler: waits for a coming prefix only if it may share it and is served later") {
    const int depth = each_depth();
    for (auto [priority, salt, expected] : {std::tuple{0, "", SequenceState::waiting},
                                            {0, "salt", SequenceState::prefill},
                                            {-1, "", SequenceState::decode}}) {
        Harness harness(fake_info(4, 64, 24, 4, depth));
        harness.add(make_request(1, make_prompt(60), 3));
        harness.step(), harness.step();  // 48 of 60
        GenerationRequest request = with_priority(make_request(2, make_prompt(60), 3), priority);
        request.cache_salt = salt;
        harness.add(request);
        harness.step();
        CHECK(harness.state(2) == expected);
        harness.run();
        harness.check_outputs();
    }
}

TEST_CASE("scheduler: a sequence that gets no token in this step takes no blocks") {
    Harness harness(fake_info(4, 64, 16, 4));
    harness.add(make_request(1, make_prompt(16, 1), 5));
    harness.add(make_request(2, make_prompt(20, 2), 5));
    harness.add(make_request(3, make_prompt(20, 3), 5));
    harness.step();
    CHECK(harness.scheduler.running().size() == 1);
    harness.step();
    CHECK(harness.scheduler.running().size() == 2);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: a start leaves the running sequences a block each") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 8, 64, 4, depth));
    harness.add(make_request(1, make_prompt(11, 1), 8));  // 3 blocks, soon 4
    harness.step();
    harness.add(make_request(2, make_prompt(20, 2), 2));  // 5 blocks, but 1 is spared
    harness.step();
    CHECK(harness.state(2) == SequenceState::waiting);
    harness.run();
    CHECK(harness.scheduler.counters().preemptions == 0);
    harness.check_outputs();
}

TEST_CASE("scheduler: old cached blocks make room under pressure, the recent ones stay") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 8, 64, 2, depth));
    for (int id = 1; id <= 3; ++id) {  // 4 blocks each in a pool of 8
        harness.add(make_request(id, make_prompt(15, id), 2));
        harness.run();
    }
    harness.add(make_request(4, make_prompt(15, 3), 2)), harness.run();
    CHECK(harness.streams[4].n_cached == 12);
    harness.add(make_request(5, make_prompt(15, 1), 2)), harness.run();
    CHECK(harness.streams[5].n_cached == 0);
    harness.check_outputs();
}

TEST_CASE("scheduler: a preempted sequence gives the tokens of an undisturbed one") {
    const int depth = each_depth();
    for (bool prefix_cache : {false, true}) {
        CAPTURE(prefix_cache);
        Harness harness(fake_info(4, 8, 16, 4, depth), prefix_cache);
        for (int id = 1; id <= 3; ++id) harness.add(make_request(id, make_prompt(6, id), 20));
        while (harness.scheduler.counters().preemptions == 0) harness.step();
        CHECK(harness.state(1) == SequenceState::decode);
        CHECK(harness.state(3) == SequenceState::preempted);  // the latest arrival
        harness.run();
        harness.check_outputs();
        CHECK(harness.scheduler.counters().prefix_queried == (prefix_cache ? 18 : 0));
        CHECK(harness.scheduler.counters().prefix_hit == 0);  // its own blocks are no hits
    }
}

TEST_CASE("scheduler: preemption takes the lowest priority first") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 8, 16, 4, depth));
    harness.add(with_priority(make_request(1, make_prompt(6, 1), 20), 5));
    harness.add(with_priority(make_request(2, make_prompt(6, 2), 20), 0));
    harness.add(with_priority(make_request(3, make_prompt(6, 3), 20), 0));
    while (harness.scheduler.counters().preemptions == 0) harness.step();
    CHECK(harness.state(1) == SequenceState::preempted);
    CHECK(harness.state(3) == SequenceState::decode);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: lower priority values start first, ties in order of arrival") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 64, 1, depth));
    const int priorities[] = {3, 1, 2, 1, 3, -1};
    for (int id = 0; id < 6; ++id)
        harness.add(with_priority(make_request(id, make_prompt(4, id), 2), priorities[id]));
    std::vector<SequenceId> order;
    while (!harness.scheduler.idle()) {
        harness.step();
        for (const StepOutput& output : harness.outputs)
            if (output.event.finish != FinishReason::none) order.push_back(output.event.id);
    }
    CHECK(order == std::vector<SequenceId>{5, 1, 3, 2, 0, 4});
}

TEST_CASE("scheduler: an urgent prompt overtakes the prefill of a patient one") {
    Harness harness(fake_info(4, 64, 8, 4));
    harness.add(with_priority(make_request(1, make_prompt(60, 1), 2), 9));
    harness.step();
    harness.add(with_priority(make_request(2, make_prompt(8, 2), 2), 0));
    harness.step();
    CHECK(harness.state(2) == SequenceState::decode);
    CHECK(harness.state(1) == SequenceState::prefill);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: while the first in line finds no room nobody overtakes it") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 8, 64, 4, depth));
    harness.add(make_request(1, make_prompt(13, 1), 5));
    harness.step();
    harness.add(make_request(2, make_prompt(20, 2), 5));
    harness.add(make_request(3, make_prompt(2, 3), 2));
    harness.step();
    CHECK(harness.state(2) == SequenceState::waiting);
    CHECK(harness.state(3) == SequenceState::waiting);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("scheduler: cancel in every state gives everything back") {
    Harness harness(fake_info(4, 8, 8, 3));
    auto cancel_in = [&](SequenceId id, SequenceState state) {
        REQUIRE(harness.state(id) == state);
        CHECK(harness.scheduler.cancel(id));
        CHECK_FALSE(harness.scheduler.cancel(id));
        harness.check_blocks();
        harness.streams.erase(id);
    };
    harness.add(make_request(1, make_prompt(14, 1), 2));
    cancel_in(1, SequenceState::waiting);
    harness.add(make_request(2, make_prompt(14, 2), 2));
    harness.step();
    cancel_in(2, SequenceState::prefill);
    CHECK(harness.scheduler.idle());
    CHECK(harness.scheduler.blocks().n_free() == 8);
    for (int id = 3; id <= 5; ++id) harness.add(make_request(id, make_prompt(6, id), 20));
    while (harness.state(5) != SequenceState::preempted) harness.step();
    cancel_in(5, SequenceState::preempted);
    cancel_in(4, SequenceState::decode);
    harness.run();
    harness.check_outputs();
    CHECK_FALSE(harness.scheduler.cancel(3));  // finished
}

TEST_CASE("scheduler: a cancelled leader does not strand those that waited for its prefix") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 8, 4, depth));
    for (int id = 1; id <= 3; ++id) harness.add(make_request(id, make_prompt(30), 3));
    harness.step(), harness.step();
    harness.scheduler.cancel(1);
    harness.streams.erase(1);
    harness.run(100);
    CHECK(harness.streams[2].n_cached == 16);
    CHECK(harness.streams[3].n_cached == 28);
    harness.check_outputs();
}

}  // namespace qwend
