#include <new>
#include <thread>

#include "model/error.h"
#include "tests/unit/daemon/engine/each_depth.h"
#include "tests/unit/daemon/engine/engine_harness.h"

namespace qwend {
namespace {

struct WatchedBackend : FakeBackend {
    WatchedBackend(BackendInfo info, std::atomic<int>& n)
        : FakeBackend(std::move(info)), n_destroyed(n) {}
    ~WatchedBackend() override { ++n_destroyed; }
    std::atomic<int>& n_destroyed;
};

}  // namespace

TEST_CASE("engine: a backend fault ends all in flight, and nothing follows it") {
    Harness harness;
    const char* message = "device on fire";
    SUBCASE("BackendFault") {}
    SUBCASE("another exception") {
        harness.throw_fault = [] { throw std::out_of_range("oops"); };
        message = "oops";
    }
    SUBCASE("no exception at all") {
        harness.throw_fault = [] { throw 7; };
        message = "the backend threw something that is no std::exception";
    }
    harness.fail_at_step = 6;
    harness.start();
    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 6; ++id) requests.push_back(make_request(id, make_prompt(5, id), 90));
    REQUIRE(harness.engine.submit(requests));
    REQUIRE(harness.drain());
    CHECK(harness.engine.state() == EngineState::failed);
    CHECK(harness.engine.failure() == message);
    CHECK(harness.finishes.size() == 6);
    for (const auto& [id, finish] : harness.finishes) {
        CHECK(finish == FinishReason::error);
        CHECK(harness.outputs[id].size() <= 5);
    }
    CHECK(harness.outputs[1].size() == 5);  // what came before the fault is delivered
    CHECK_FALSE(harness.submit(make_request(9, make_prompt(5), 3)));
    CHECK(harness.engine.take_events().empty());
    CHECK(harness.metrics.request_success[3].value() == 6);
    CHECK(harness.metrics.num_requests_running.value() == 0);
}

TEST_CASE("engine: a fault with two steps in flight ends all, and nothing follows it") {
    Harness harness;
    std::string tail;
    SUBCASE("of a launch") {
        harness.fail_at_launch = 6, tail = "CL";
    }
    SUBCASE("of a collect") {
        harness.fail_at_step = 5, tail = "LC";
    }
    harness.start(fake_info(4, 64, 16, 4, 2));
    std::vector<GenerationRequest> requests;
    for (int id = 1; id <= 6; ++id) requests.push_back(make_request(id, make_prompt(5, id), 90));
    REQUIRE(harness.engine.submit(requests));
    REQUIRE(harness.drain());
    CHECK(harness.engine.state() == EngineState::failed);
    CHECK(harness.engine.failure() == "device on fire");
    for (int id = 1; id <= 6; ++id) CHECK(harness.finishes[id] == FinishReason::error);
    CHECK(harness.outputs[1].size() == 4);  // what was collected before the fault is delivered
    CHECK(harness.engine.take_events().empty());
    CHECK(harness.traced().ends_with(tail));
    CHECK(harness.metrics.kv_blocks_used.value() == 0);
}

TEST_CASE("engine: a fault while nobody waits is one too") {
    Harness harness;
    harness.n_preparations = 3, harness.fail_at_preparation = 2;
    harness.start();
    REQUIRE(harness.wait_until([&] { return harness.engine.state() == EngineState::failed; }));
    CHECK(harness.engine.failure() == "device on fire");
    CHECK_FALSE(harness.submit(make_request(1, make_prompt(5), 3)));
    CHECK(harness.traced() == "LCPP");
}

TEST_CASE("engine: a backend that does not answer what it was asked has failed") {
    Harness harness;
    SUBCASE("a sample is missing") {
        harness.spoil_result = [&](StepResult& result) {
            if (harness.n_steps == 3) result.samples.pop_back();
        };
    }
    SUBCASE("a sample is no token") {
        harness.spoil_result = [&](StepResult& result) {
            if (harness.n_steps == 3) result.samples.back().token = kNotANumber - 1;
        };
    }
    SUBCASE("a score that nobody asked for") {
        harness.spoil_result = [&](StepResult& result) {
            if (harness.n_steps == 3) result.scores.emplace_back();
        };
    }
    SUBCASE("a sample is beyond the vocabulary") {
        harness.spoil_result = [&](StepResult& result) {
            if (harness.n_steps == 3) result.samples.back().token = FakeBackend::n_vocab;
        };
    }
    harness.start();
    REQUIRE(harness.submit(make_request(1, make_prompt(5), 90)));
    REQUIRE(harness.drain());
    CHECK(harness.engine.state() == EngineState::failed);
    CHECK(harness.outputs[1].size() == 1);
    CHECK(harness.finishes[1] == FinishReason::error);
}

TEST_CASE("engine: a backend that cannot be made or proved is a failure") {
    Harness harness;
    bool refused = false;
    SUBCASE("factory, of a device that is lost") {
        harness.engine.start([]() -> std::unique_ptr<Backend> { throw BackendFault("no device"); });
        REQUIRE(harness.wait_until([&] { return harness.engine.state() == EngineState::failed; }));
        CHECK(harness.engine.failure() == "no device");
    }
    SUBCASE("factory, of a device that is too small") {
        harness.engine.start([]() -> std::unique_ptr<Backend> { throw LoadError("no room"); });
        REQUIRE(harness.wait_until([&] { return harness.engine.state() == EngineState::failed; }));
        CHECK(harness.engine.failure() == "no room");
        refused = true;
    }
    SUBCASE("first step") {
        harness.fail_at_step = 0;
        harness.start();
        CHECK(harness.engine.state() == EngineState::failed);
        CHECK(harness.engine.failure() == "device on fire");
    }
    SUBCASE("nothing to serve with") {
        harness.start(fake_info(4, 0, 16, 4));
        CHECK(harness.engine.state() == EngineState::failed);
        CHECK(harness.engine.failure().find("n_blocks 0") != std::string::npos);
        refused = true;
    }
    CHECK(harness.engine.refused_to_load() == refused);
    CHECK_FALSE(harness.engine.backend_info());
    CHECK_FALSE(harness.submit(make_request(1, make_prompt(5), 3)));
}

TEST_CASE("engine: a backend is destroyed once, a failed one never") {
    std::atomic<int> n_destroyed{0};
    bool fails = false;
    SUBCASE("well") {}
    SUBCASE("failed") {
        fails = true;
    }
    {
        EngineMetrics metrics;
        Engine engine({}, metrics, [] {});
        engine.start([&] {
            auto backend =
                std::make_unique<WatchedBackend>(fake_info(4, 64, 16, 4, 1), n_destroyed);
            if (fails) backend->before_collect = [] { throw BackendFault("device on fire"); };
            return backend;
        });
        while (engine.state() == EngineState::loading)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        CHECK((engine.state() == EngineState::failed) == fails);
    }
    CHECK(n_destroyed == (fails ? 0 : 1));
}

TEST_CASE("engine: a step that exceeds its timeout is a stall for good, seen without the worker") {
    const int depth = each_depth();
    for (Gate Harness::*gate : {&Harness::launch_gate, &Harness::gate}) {
        EngineOptions options;
        options.step_timeout_s = 0.01;
        Harness harness(options);
        harness.start(fake_info(4, 64, 16, 4, depth));
        (harness.*gate).allow(0);
        GenerationRequest request = make_request(1, make_prompt(5), 5);
        REQUIRE(harness.submit(request));
        REQUIRE(harness.wait_until([&] { return harness.engine.state() == EngineState::stalled; }));
        CHECK(harness.engine.failure().find("step-timeout") != std::string::npos);
        CHECK_FALSE(harness.submit(make_request(2, make_prompt(5), 5)));
        const uint64_t beat = harness.engine.heartbeat();
        CHECK(harness.engine.heartbeat() == beat);
        REQUIRE(harness.drain());  // without the step
        CHECK(harness.finishes[1] == FinishReason::error);
        const int n_steps = harness.n_steps;
        (harness.*gate).allow(Gate::all);
        REQUIRE(harness.wait_until([&] { return harness.n_steps >= n_steps + 5; }));
        CHECK(harness.outputs[1].empty());  // what comes after all comes too late
        CHECK(harness.engine.take_events().empty());
        CHECK(harness.engine.state() == EngineState::stalled);
        CHECK_FALSE(harness.engine.refused_to_load());
        CHECK_FALSE(harness.submit(make_request(2, make_prompt(5), 5)));
    }
}

TEST_CASE("engine: while the loop does not run either, a step is not timed") {
    EngineOptions options;
    options.step_timeout_s = 0.5;
    Harness harness(options);
    harness.start();
    harness.gate.allow(0);
    REQUIRE(harness.submit(make_request(1, make_prompt(5), 5)));
    REQUIRE(harness.wait_until([&] { return harness.traced() == "LCLC"; }));
    for (int i = 0; i < 2; ++i) {  // as if the process had been stopped
        std::this_thread::sleep_for(std::chrono::milliseconds(600));
        if (i == 0) CHECK(harness.engine.state() == EngineState::ready);
        if (i == 0) harness.gate.allow(1);
        if (i == 0) REQUIRE(harness.wait_until([&] { return harness.outputs[1].size() == 1; }));
    }
    CHECK(harness.engine.state() == EngineState::ready);  // of the second step
    CHECK(harness.wait_until([&] { return harness.engine.state() == EngineState::stalled; }));
}

TEST_CASE("engine: out of memory is a fault that a restart may mend") {
    Harness harness;
    harness.throw_fault = [] { throw std::bad_alloc(); };
    SUBCASE("while loading") {
        harness.fail_at_step = 0;
        harness.start();
        CHECK_FALSE(harness.engine.refused_to_load());
        CHECK(harness.engine.failure().find("does not fit the memory") != std::string::npos);
    }
    SUBCASE("while serving") {
        harness.fail_at_step = 3;
        harness.start();
        std::vector<GenerationRequest> requests;
        for (int id = 1; id <= 6; ++id)
            requests.push_back(make_request(id, make_prompt(5, id), 90));
        REQUIRE(harness.engine.submit(requests));
        REQUIRE(harness.drain());
        CHECK_FALSE(harness.engine.refused_to_load());
        CHECK(harness.engine.failure() == "out of memory");
        for (int id = 1; id <= 6; ++id) CHECK(harness.finishes[id] == FinishReason::error);
    }
    CHECK(harness.engine.state() == EngineState::failed);
}

TEST_CASE("engine: a sequence without a token or without numbers ends, those beside it go on") {
    const int depth = each_depth();
    for (const int32_t token : {kNoToken, kNotANumber}) {
        CAPTURE(token);
        Harness harness;
        // The first of two rows, once both decode.
        harness.spoil_result = [&](StepResult& result) {
            if (harness.n_steps == 6 && result.samples.size() == 2) result.samples[0].token = token;
        };
        harness.start(fake_info(4, 64, 16, 4, depth));
        const GenerationRequest second = make_request(2, make_prompt(5, 2), 20);
        REQUIRE(harness.engine.submit({make_request(1, make_prompt(5, 1), 20), second}));
        REQUIRE(harness.drain());
        CHECK(harness.engine.state() == EngineState::ready);
        const bool is_fault = token == kNotANumber;
        CHECK(harness.finishes[1] == (is_fault ? FinishReason::error : FinishReason::stop));
        CHECK(harness.errors[1].empty() == !is_fault);
        CHECK(harness.outputs[1].size() == 4);
        CHECK(harness.outputs[2] == expected_output(second));
        CHECK(harness.metrics.request_success[is_fault ? 3 : 0].value() == 1);
        CHECK(harness.metrics.kv_blocks_used.value() == 0);
        CHECK(harness.metrics.generation_tokens.value() == 24);
    }
}

TEST_CASE("engine: idle is no stall, a first step that hangs is one") {
    EngineOptions options;
    options.step_timeout_s = 0.01;
    Harness harness(options);
    SUBCASE("idle") {
        harness.start();
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        CHECK(harness.engine.state() == EngineState::ready);
        CHECK(harness.engine.failure().empty());
    }
    SUBCASE("first step") {
        harness.gate.allow(0);
        harness.start();
        CHECK(harness.engine.state() == EngineState::stalled);
        CHECK_FALSE(harness.engine.refused_to_load());
    }
}

}  // namespace qwend
