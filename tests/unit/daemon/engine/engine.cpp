#include "daemon/engine/engine.h"

#include <numeric>
#include <thread>

#include "tests/unit/daemon/engine/each_depth.h"
#include "tests/unit/daemon/engine/engine_harness.h"
#include "tests/unit/daemon/engine/fake_drafter.h"

namespace qwend {

TEST_CASE("engine: proves the backend, then serves") {
    const int depth = each_depth();
    Harness harness;
    CHECK(harness.engine.state() == EngineState::stopped);
    CHECK_FALSE(harness.submit(make_request(1, make_prompt(5), 3)));
    CHECK_FALSE(harness.engine.backend_info());
    harness.start(fake_info(4, 64, 16, 4, depth));
    REQUIRE(harness.engine.state() == EngineState::ready);
    CHECK(harness.n_steps == 1);
    CHECK(harness.engine.backend_info()->n_blocks == 64);
    CHECK(harness.engine.failure().empty());

    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 10; ++id) requests.push_back(make_request(id, make_prompt(5, id), 20));
    REQUIRE(harness.engine.submit(requests));
    CHECK(harness.engine.n_unfinished() == 10);
    REQUIRE(harness.drain());
    for (const auto& request : requests) {
        CHECK(harness.outputs[request.id] == expected_output(request));
        CHECK(harness.finishes[request.id] == FinishReason::length);
    }
}

TEST_CASE("engine: metrics count requests, tokens and times") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 4, depth));
    for (int id = 1; id <= 2; ++id) {
        REQUIRE(harness.submit(make_request(id, make_prompt(9), 5)));
        REQUIRE(harness.drain());
    }
    auto count = [](const Histogram& histogram) {
        uint64_t n = 0;
        for (uint64_t bucket : histogram.bucket_counts()) n += bucket;
        return n;
    };
    const EngineMetrics& metrics = harness.metrics;
    CHECK(metrics.prompt_tokens.value() == 18);
    CHECK(metrics.generation_tokens.value() == 10);
    CHECK(metrics.prompt_tokens_cached.value() == 8);
    CHECK(metrics.prefix_cache_queries.value() == 18);
    CHECK(metrics.prefix_cache_hits.value() == 8);
    CHECK(metrics.request_success[1].value() == 2);
    CHECK(count(metrics.time_to_first_token) == 2);
    CHECK(count(metrics.inter_token_latency) == 8);
    CHECK(count(metrics.e2e_request_latency) == 2);
    CHECK(count(metrics.request_inference_time) == 2);
    CHECK(count(metrics.request_time_per_output_token) == 2);
    CHECK(metrics.request_prefill_kv_computed_tokens.sum() == 10);
    CHECK(metrics.request_params_max_tokens.sum() == 10);
    CHECK(metrics.request_params_n.sum() == 2);
    CHECK(metrics.request_max_num_generation_tokens.sum() == 10);
    CHECK(count(metrics.request_num_preemptions) == 2);
    CHECK(metrics.request_num_preemptions.sum() == 0);
    CHECK(count(metrics.request_queue_time) == 2);
    CHECK(count(metrics.request_prefill_time) == 2);
    CHECK(count(metrics.request_decode_time) == 2);
    CHECK(metrics.request_prompt_tokens.sum() == 18);
    CHECK(metrics.request_generation_tokens.sum() == 10);
    CHECK(metrics.iteration_tokens.sum() == 9 + 4 + 1 + 4);
    CHECK(metrics.kv_blocks_total.value() == 64);
    CHECK(metrics.kv_block_size.value() == 4);
    CHECK(metrics.kv_blocks_used.value() == 0);
    CHECK(metrics.num_requests_running.value() == 0);
}

TEST_CASE("engine: metrics count the choices of a request together") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 8, depth));
    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 5; ++id) {  // three choices of one prompt, then two of another
        requests.push_back(make_request(id, make_prompt(9, id > 3), id));
        requests.back().n_choices = id <= 3 ? 3 : 2;
    }
    REQUIRE(harness.engine.submit(requests));
    REQUIRE(harness.drain());
    CHECK(harness.metrics.request_params_n.sum() == 3 + 2);
    CHECK(harness.metrics.request_max_num_generation_tokens.sum() == 3 + 5);
    CHECK(harness.metrics.request_generation_tokens.sum() == 1 + 2 + 3 + 4 + 5);
}

TEST_CASE("engine: an answer that is complete is no abort, and has its times") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 4, depth));
    harness.gate.allow(5);
    REQUIRE(harness.engine.submit(
        {make_request(1, make_prompt(5, 1), 90), make_request(2, make_prompt(5, 2), 90)}));
    REQUIRE(harness.wait_until([&] { return harness.outputs[1].size() == 5; }));
    harness.engine.cancel(1, FinishReason::stop);
    harness.engine.cancel(2);
    harness.engine.cancel(1, FinishReason::stop);
    harness.gate.allow(Gate::all);
    const EngineMetrics& metrics = harness.metrics;
    REQUIRE(harness.wait_until([&] { return metrics.request_success[2].value() == 1; }));
    CHECK(metrics.request_success[0].value() == 1);
    for (const Histogram* histogram :
         {&metrics.e2e_request_latency, &metrics.request_queue_time, &metrics.request_prefill_time,
          &metrics.request_decode_time, &metrics.request_inference_time,
          &metrics.request_max_num_generation_tokens, &metrics.request_params_n}) {
        const auto counts = histogram->bucket_counts();
        CHECK(std::accumulate(counts.begin(), counts.end(), uint64_t{0}) == 1);
    }
    CHECK(metrics.request_generation_tokens.sum() >= 5);
    CHECK(metrics.request_generation_tokens.sum() <= 5 + depth);
}

TEST_CASE("engine: takes all of a submission or none") {
    const int depth = each_depth();
    EngineOptions options;
    options.max_queue = 3;
    Harness harness(options);
    harness.start(fake_info(4, 64, 16, 4, depth));  // 4 lanes + 3
    harness.gate.allow(0);
    std::vector<GenerationRequest> five, three;
    for (int id = 1; id <= 5; ++id) five.push_back(make_request(id, make_prompt(5, id), 4));
    for (int id = 6; id <= 8; ++id) three.push_back(make_request(id, make_prompt(5, id), 4));
    CHECK(harness.engine.submit(five));
    CHECK_FALSE(harness.engine.submit(three));
    CHECK(harness.engine.n_unfinished() == 5);
    CHECK(harness.engine.has_room(2));
    CHECK_FALSE(harness.engine.has_room(3));
    three.pop_back();
    CHECK(harness.engine.submit(three));
    CHECK_FALSE(harness.engine.has_room(1));
    harness.gate.allow(Gate::all);
    REQUIRE(harness.drain());
    CHECK(harness.outputs.size() == 7);
}

TEST_CASE("engine: what can never fit the cache finishes at once with an error") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 4, 16, 4, depth));
    REQUIRE(harness.submit(make_request(1, make_prompt(10), 8)));
    REQUIRE(harness.drain());
    CHECK(harness.finishes[1] == FinishReason::error);
    CHECK(harness.outputs[1].empty());
    CHECK(harness.metrics.request_success[3].value() == 1);
    CHECK(harness.engine.state() == EngineState::ready);
}

TEST_CASE("engine: what the backend cannot do is refused, by name") {
    BackendInfo info = fake_info(4, 64, 16, 4, each_depth());
    info.max_samples = 3, info.vocabulary_masks = false;
    Harness harness;
    harness.start(info);
    GenerationRequest constrained = make_request(1, make_prompt(5), 8);
    constrained.constraint = fake_constraint();
    GenerationRequest drafted = make_request(2, make_prompt(5), 8), fewer = drafted;
    drafted.drafter = fake_drafter(drafted, 3, Guesses::right);
    fewer.id = 3, fewer.drafter = fake_drafter(fewer, 2, Guesses::right);
    REQUIRE(harness.engine.submit({constrained, drafted, fewer}));
    REQUIRE(harness.drain());
    for (SequenceId id = 1; id <= 2; ++id) {
        CHECK(harness.finishes[id] == FinishReason::error);
        CHECK(harness.outputs[id].empty());
    }
    CHECK(harness.errors[1].find("vocabulary masks") != std::string_view::npos);
    CHECK(harness.errors[2].find("samples") != std::string_view::npos);
    CHECK(harness.metrics.request_success[3].value() == 2);
    CHECK(harness.outputs[3] == expected_output(fewer));
    CHECK(harness.engine.state() == EngineState::ready);
}

TEST_CASE("engine: constraints, drafts and streams that began elsewhere") {
    const int depth = each_depth();
    Harness harness({.max_queue = 200});
    harness.start(fake_info(4, 40, 16, 6, depth));
    std::vector<GenerationRequest> requests;
    std::map<SequenceId, std::vector<int32_t>> expected;
    for (SequenceId id = 1; id <= 100; ++id) {
        GenerationRequest request = make_request(id, make_prompt(9, static_cast<int>(id % 7)), 20);
        request.sampling.seed = id;
        request.awaits_last_token = id % 11 == 0;
        if (id % 3 == 0) request.constraint = fake_constraint();
        if (id % 2 == 0) request.drafter = fake_drafter(request, 5, Guesses{int(id / 2) % 4});
        if (id % 5 == 0) {
            request.output = expected_output(request);
            request.output.resize(request.output.size() * (id % 4) / 4);
        }
        expected[id] = expected_output(request);
        requests.push_back(std::move(request));
    }
    REQUIRE(harness.engine.submit(std::move(requests)));
    for (SequenceId id = 1; id <= 100; id += 13) harness.engine.hold(id);
    REQUIRE(harness.wait_until([&] { return harness.engine.n_unfinished() <= 50; }));
    for (SequenceId id = 1; id <= 100; id += 13) harness.engine.resume(id);
    for (SequenceId id = 99; id <= 100; ++id) harness.engine.cancel(id);
    REQUIRE(harness.drain());
    for (SequenceId id = 1; id < 99; ++id) {
        CAPTURE(id);
        CHECK(harness.outputs[id] == expected[id]);
    }
    REQUIRE(harness.wait_until([&] { return harness.metrics.kv_blocks_used.value() == 0; }));
}

TEST_CASE("engine: cancel ends waiting and running sequences without an event") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 2, depth));
    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 4; ++id) requests.push_back(make_request(id, make_prompt(5, id), 100));
    harness.gate.allow(5);
    REQUIRE(harness.engine.submit(requests));
    REQUIRE(harness.wait_until([&] { return harness.outputs[1].size() == 5; }));
    harness.engine.cancel(1);
    harness.engine.cancel(4);
    harness.engine.cancel(4);
    harness.engine.cancel(77);
    CHECK(harness.engine.n_unfinished() == 2);
    const size_t n_before = harness.outputs[1].size();
    harness.gate.allow(Gate::all);
    REQUIRE(harness.drain());
    CHECK(harness.outputs[1].size() == n_before);
    CHECK_FALSE(harness.outputs.contains(4));
    CHECK(harness.outputs[2] == expected_output(requests[1]));
    CHECK(harness.outputs[3] == expected_output(requests[2]));
    CHECK(harness.metrics.request_success[2].value() == 2);
}

TEST_CASE("engine: cancelling everything leaves no block in use") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 4, depth));
    harness.gate.allow(5);
    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 20; ++id) requests.push_back(make_request(id, make_prompt(9), 90));
    REQUIRE(harness.engine.submit(requests));
    REQUIRE(harness.wait_until([&] { return harness.outputs.size() == 4; }));
    CHECK(harness.metrics.kv_blocks_used.value() > 0);
    for (int id = 1; id <= 20; ++id) harness.engine.cancel(id);
    CHECK(harness.engine.n_unfinished() == 0);
    harness.gate.allow(Gate::all);
    REQUIRE(harness.wait_until([&] { return harness.metrics.kv_blocks_used.value() == 0; }));
    CHECK(harness.metrics.num_requests_running.value() == 0);
    CHECK(harness.metrics.num_requests_waiting.value() == 0);
}

TEST_CASE("engine: a held sequence waits, alone or beside others, and resumes where it was") {
    const int depth = each_depth();
    Harness harness;
    harness.n_preparations = 2;
    harness.start(fake_info(4, 64, 16, 4, depth));
    harness.gate.allow(5);
    const GenerationRequest first = make_request(1, make_prompt(5, 1), 40),
                            second = make_request(2, make_prompt(5, 2), 20);
    REQUIRE(harness.engine.submit({first, second}));
    REQUIRE(harness.wait_until([&] { return harness.outputs[1].size() == 5; }));
    for (int i = 0; i < 2; ++i) harness.engine.hold(1);
    harness.engine.hold(77), harness.engine.resume(77);
    harness.gate.allow(Gate::all);
    REQUIRE(harness.wait_until([&] { return harness.engine.n_unfinished() == 1; }));
    CHECK(harness.outputs[2] == expected_output(second));
    const uint64_t beat = harness.engine.heartbeat();  // the worker sleeps, and is alive
    REQUIRE(harness.wait_until([&] { return harness.engine.heartbeat() != beat; }));
    CHECK(harness.outputs[1].size() <= 5u + static_cast<size_t>(depth));
    CHECK(harness.metrics.num_requests_running.value() == 1);
    for (int i = 0; i < 2; ++i) harness.engine.resume(1);
    REQUIRE(harness.drain());
    CHECK(harness.outputs[1] == expected_output(first));
}

TEST_CASE("engine: launches a step before it collects the one before, and none in vain") {
    for (auto [depth, expected] : {std::pair{1, "LC LCLCLCLC LCLC"}, {2, "LC LLCLCLCC LLCC"}}) {
        CAPTURE(depth);
        Harness harness;
        harness.start(fake_info(4, 64, 16, 4, depth));
        for (const int max_tokens : {4, 2}) {
            harness.note(' ');
            REQUIRE(harness.submit(make_request(max_tokens, make_prompt(5), max_tokens)));
            REQUIRE(harness.drain());
        }
        CHECK(harness.traced() == expected);
    }
}

TEST_CASE("engine: a sequence cancelled in flight gives its blocks to the next, not its tokens") {
    Harness harness;
    harness.start(fake_info(4, 8, 16, 1, 2));
    harness.gate.allow(3);
    REQUIRE(harness.submit(make_request(1, make_prompt(5, 1), 20)));
    GenerationRequest next = make_request(2, make_prompt(5, 2), 20);
    REQUIRE(harness.submit(next));
    REQUIRE(harness.wait_until([&] { return harness.outputs[1].size() == 3; }));
    harness.engine.cancel(1);
    harness.gate.allow(Gate::all);
    REQUIRE(harness.drain());
    CHECK(harness.outputs[1].size() == 3);
    CHECK(harness.outputs[2] == expected_output(next));
    CHECK(harness.metrics.request_success[2].value() == 1);
}

TEST_CASE("engine: prepares its backend while it has nothing else to do") {
    Harness harness;
    harness.n_preparations = 3;
    harness.prepare_gate.allow(1);
    harness.start();
    REQUIRE(harness.wait_until([&] { return harness.traced() == "LCPP"; }));
    const GenerationRequest request = make_request(1, make_prompt(5), 2);
    REQUIRE(harness.submit(request));  // in the middle of the second piece
    harness.prepare_gate.allow(1);
    REQUIRE(harness.drain());
    REQUIRE(harness.wait_until([&] { return harness.traced() == "LCPPLCLCP"; }));
    harness.prepare_gate.allow(Gate::all);
    REQUIRE(harness.submit(make_request(2, make_prompt(5), 1)));
    REQUIRE(harness.drain());
    CHECK(harness.outputs[1] == expected_output(request));
    CHECK(harness.traced() == "LCPPLCLCPLC");
}

TEST_CASE("engine: the heart beats while it works and while it has nothing to do") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 4, depth));
    for (int turn = 0; turn < 2; ++turn) {
        uint64_t last = harness.engine.heartbeat();
        for (int i = 0; i < 3; ++i) {
            REQUIRE(harness.wait_until([&] { return harness.engine.heartbeat() != last; }));
            last = harness.engine.heartbeat();
        }
        REQUIRE(harness.submit(make_request(turn + 1, make_prompt(5), 40)));
        REQUIRE(harness.drain());
    }
    CHECK(harness.n_steps == 1 + 2 * 40);  // an idle worker runs no steps
}

TEST_CASE("engine: wakes the loop once for all events it has not taken") {
    const int depth = each_depth();
    Harness harness;
    harness.start(fake_info(4, 64, 16, 4, depth));
    auto n_wakes_reach = [&](int n) {
        std::unique_lock lock(harness.mutex);
        return harness.woken.wait_for(lock, std::chrono::seconds(10),
                                      [&] { return harness.n_wakes >= n; });
    };
    REQUIRE(n_wakes_reach(1));  // ready
    harness.gate.allow(30);
    REQUIRE(harness.submit(make_request(1, make_prompt(5), 40)));
    REQUIRE(n_wakes_reach(2));  // the first token
    for (int i = 0; i < 10000 && harness.n_steps < 1 + 30; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
        std::lock_guard lock(harness.mutex);
        CHECK(harness.n_wakes == 2);
    }
    CHECK(harness.engine.take_events().size() >= 29);
    harness.gate.allow(1);
    CHECK(n_wakes_reach(3));
}

TEST_CASE("engine: can be destroyed at any time") {
    SUBCASE("before it starts") {
        Harness harness;
    }
    SUBCASE("while loading") {
        Harness harness;
        harness.engine.start([] { return std::make_unique<FakeBackend>(fake_info(4, 9, 9, 9)); });
    }
    SUBCASE("idle") {
        Harness harness;
        harness.start();
    }
    SUBCASE("with work of every kind") {
        Harness harness;
        harness.start(fake_info(4, 64, 16, 4, 2));
        harness.gate.allow(5);
        for (int id = 1; id <= 20; ++id)
            REQUIRE(harness.submit(make_request(id, make_prompt(9, id), 90)));
        REQUIRE(harness.wait_until([&] { return !harness.outputs.empty(); }));
        harness.engine.cancel(2);
        harness.gate.allow(Gate::all);
    }
}

TEST_CASE("engine: streams and cancellations from the loop while the worker runs") {
    const int depth = each_depth();
    EngineOptions options;
    options.max_queue = 1000;
    Harness harness(options);
    harness.start(fake_info(4, 40, 16, 6, depth));
    std::map<SequenceId, GenerationRequest> kept;
    for (SequenceId id = 1; id <= 300; ++id) {
        GenerationRequest request = make_request(
            id, make_prompt(static_cast<int>(id % 23) + 1, id % 4), static_cast<int>(id % 17) + 1);
        REQUIRE(harness.submit(request));
        if (id % 3 == 0) harness.engine.cancel(id - id % 5);
        for (const TokenEvent& event : harness.engine.take_events()) harness.record(event);
        kept[id] = std::move(request);
    }
    REQUIRE(harness.drain());
    int n_finished = 0;
    for (const auto& [id, finish] : harness.finishes) {
        if (finish == FinishReason::none) continue;  // cancelled
        ++n_finished;
        CHECK(harness.outputs[id] == expected_output(kept[id]));
    }
    CHECK(n_finished >= 200);
    REQUIRE(harness.wait_until([&] { return harness.metrics.kv_blocks_used.value() == 0; }));
}

TEST_CASE("engine: a prompt's scores are delivered before its tokens; who cannot score says so") {
    for (const int max_scores : {0, 6}) {
        CAPTURE(max_scores);
        BackendInfo info = fake_info(4, 64, 16, 4, 2);
        info.max_scores = max_scores;
        Harness harness;
        harness.start(info);
        GenerationRequest request = make_request(1, make_prompt(20), 3);
        request.n_prompt_logprobs = 2;
        REQUIRE(harness.submit(request));
        REQUIRE(harness.drain());
        if (max_scores == 0) {
            CHECK(harness.finishes[1] == FinishReason::error);
            CHECK(harness.errors[1].find("cannot score a prompt") != std::string_view::npos);
        } else {
            CHECK(is_same(harness.scores[1], expected_scores(request)));
            CHECK(harness.outputs[1] == expected_output(request));
        }
    }
}

}  // namespace qwend
