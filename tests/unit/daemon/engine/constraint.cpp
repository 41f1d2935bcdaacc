// Sequences whose output has to obey something.

#include "daemon/engine/constraint.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/engine/fake_drafter.h"
#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

}  // namespace

TEST_CASE("constraint: it is told every token once and in order, whatever happens meanwhile") {
    const int depth = each_depth();
    for (const bool is_drafted : {false, true}) {
        CAPTURE(is_drafted);
        Harness harness(fake_info(2, 18, 12, 4, depth));
        std::map<SequenceId, std::shared_ptr<std::vector<int32_t>>> told;
        for (SequenceId id = 1; id <= 6; ++id) {
            GenerationRequest request = make_request(id, make_prompt(5, static_cast<int>(id)), 25);
            told[id] = std::make_shared<std::vector<int32_t>>();
            request.constraint = fake_constraint(told[id]);
            if (is_drafted) request.drafter = fake_drafter(request, 3, Guesses::mixed);
            if (id % 2 == 0) {
                request.output = expected_output(request);
                request.output.resize(request.output.size() / 2);
            }
            harness.add(request);
        }
        for (int turn = 0; !harness.scheduler.idle() || turn < 30; ++turn) {
            if (turn % 5 == 0) harness.scheduler.hold(1 + turn % 3);
            if (turn % 5 == 2 || turn >= 25)
                for (int id = 1; id <= 3; ++id) harness.scheduler.resume(id);
            if (!harness.scheduler.idle()) harness.step();
        }
        harness.check_outputs();
        CHECK(harness.scheduler.counters().preemptions > 0);
        for (const auto& [id, stream] : harness.streams) {
            CAPTURE(id);
            std::vector<int32_t> all = stream.request.output;
            all.insert(all.end(), stream.output.begin(), stream.output.end());
            CHECK(*told[id] == all);
        }
    }
}

TEST_CASE("constraint: a sequence ends where it is complete, or where nothing is allowed") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 32, 4, depth));
    for (SequenceId id = 1; id <= 60; ++id) {
        GenerationRequest request = make_request(id, make_prompt(5, static_cast<int>(id)), 40);
        request.constraint = fake_constraint();
        if (id % 2) request.drafter = fake_drafter(request, 4, Guesses::right);
        harness.add(request);
    }
    harness.run();
    harness.check_outputs();
    std::map<FinishReason, int> n_ended;
    for (const auto& [id, stream] : harness.streams) {
        CHECK(stream.finish == expected_answer(stream.request).finish);
        ++n_ended[stream.finish];
    }
    CHECK(n_ended[FinishReason::stop] > 3);
    CHECK(n_ended[FinishReason::error] > 3);
    CHECK(n_ended[FinishReason::length] > 3);
}

}  // namespace qwend
