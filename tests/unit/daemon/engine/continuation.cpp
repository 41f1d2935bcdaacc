// Requests that begin with output: a stream that is cut anywhere goes on as if it had not been.

#include <doctest/doctest.h>

#include "tests/unit/daemon/engine/fake_drafter.h"
#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

/// An ordinary one, one that stops, one with a constraint, one with drafts, one with both.
std::vector<GenerationRequest> kinds() {
    std::vector<GenerationRequest> requests;
    for (int kind = 0; kind < 5; ++kind) {
        GenerationRequest request = make_request(kind, make_prompt(7, kind), 21);
        request.sampling.seed = static_cast<uint64_t>(kind);
        if (kind == 1) request.sampling.stop_token_ids = {expected_output(request)[13]};
        if (kind == 2 || kind == 4) request.constraint = fake_constraint();
        if (kind >= 3) request.drafter = fake_drafter(request, 4, Guesses::mixed);
        requests.push_back(std::move(request));
    }
    return requests;
}

}  // namespace

TEST_CASE("continuation: a stream that is cut anywhere has the same rest, alone and in company") {
    const int depth = each_depth();
    for (const bool prefix_cache : {false, true})
        for (const int n_blocks : {200, 30}) {
            CAPTURE(n_blocks);
            Harness together(fake_info(4, n_blocks, 16, 8, depth), prefix_cache);
            SequenceId next_id = 100;
            for (const GenerationRequest& whole : kinds()) {
                const std::vector<int32_t> all = expected_output(whole);
                Harness uncut(fake_info(4, 200, 16, 8, depth), prefix_cache);
                GenerationRequest copy = whole;
                if (copy.constraint) copy.constraint = fake_constraint();
                uncut.add(std::move(copy));
                uncut.run();
                const FinishReason finish = uncut.streams.begin()->second.finish;
                CHECK(uncut.streams.begin()->second.output == all);
                for (size_t n = 0; n < all.size(); ++n) {
                    CAPTURE(n);
                    GenerationRequest rest = whole;
                    rest.id = next_id++;
                    rest.output.assign(all.begin(), all.begin() + static_cast<ptrdiff_t>(n));
                    if (rest.constraint) rest.constraint = fake_constraint();
                    Harness alone(fake_info(4, 8, 5, 8, depth), prefix_cache);
                    alone.add(rest);
                    alone.run();
                    alone.check_outputs();
                    CHECK(alone.streams.begin()->second.finish == finish);
                    if (rest.constraint) rest.constraint = fake_constraint();
                    together.add(std::move(rest));
                }
            }
            together.run();
            together.check_outputs();
        }
}

TEST_CASE("continuation: it is prefilled with its prompt, and what it counts includes it") {
    Harness harness(fake_info(4, 64, 16, 4));
    GenerationRequest request = make_request(1, make_prompt(6), 12);
    const std::vector<int32_t> all = expected_output(request);
    harness.add(request);
    harness.run();
    request.id = 2;
    request.output.assign(all.begin(), all.begin() + 9);
    harness.add(request);
    REQUIRE(harness.launch());
    const BatchSequence& row = harness.in_flight.back().sequences.at(0);
    CHECK(row.n_context == 15);
    CHECK(row.n_query == 3);  // 12 tokens were in the cache
    CHECK(row.prompt.size() == 6);
    CHECK(row.output.size() == 9);
    harness.collect();
    harness.run();
    harness.check_outputs();
    CHECK(harness.streams[2].output.size() == 3);
    CHECK(harness.streams[2].n_cached == 6);  // of the prompt
    CHECK(harness.scheduler.counters().prefix_queried == 12);
    CHECK(harness.scheduler.counters().prefix_hit == 6);
}

TEST_CASE("continuation: one with nothing left to generate could never run") {
    Harness harness(fake_info(4, 64, 16, 4));
    GenerationRequest request = make_request(1, make_prompt(6), 5);
    request.output = make_prompt(5);
    CHECK_FALSE(harness.scheduler.add(request, 0));
    request.output.pop_back();
    CHECK(harness.scheduler.add(request, 0));
}

}  // namespace qwend
