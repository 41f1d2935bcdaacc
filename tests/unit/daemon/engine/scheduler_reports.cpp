// Sequences whose prompt becomes vectors.

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "model/pooling.h"
#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

constexpr Pooling kPoolings[] = {Pooling::last, Pooling::first,         Pooling::mean,
                                 Pooling::max,  Pooling::mean_sqrt_len, Pooling::weighted_mean,
                                 Pooling::each};

GenerationRequest pooled_request(SequenceId id, int n_prompt, Pooling pooling, int begin = 0,
                                 int family = 0) {
    GenerationRequest request = make_request(id, make_prompt(n_prompt, family), 0);
    request.pooling = PoolingRequest{pooling, begin, {}};
    return request;
}

void check_vectors(const Harness& harness) {
    for (const auto& [id, stream] : harness.streams) {
        CAPTURE(id);
        CHECK(stream.finish == FinishReason::stop);
        CHECK(stream.vectors == expected_vectors(stream.request, harness.backend.info().is_causal));
        CHECK(stream.output.empty());
    }
}

std::vector<std::vector<int>> chunks_of(Harness& harness) {
    std::vector<std::vector<int>> chunks;
    while (!harness.scheduler.idle()) {
        harness.step();
        chunks.emplace_back();
        for (const BatchSequence& row : harness.last_batch.sequences)
            chunks.back().push_back(row.n_query);
    }
    return chunks;
}

}  // namespace

TEST_CASE("scheduler vectors: every way of pooling, whole and in chunks, alone and in company") {
    const int depth = each_depth();
    for (const int step_tokens : {32, 5})
        for (const Pooling pooling : kPoolings)
            for (const int n_prompt : {1, 2, 7, 8, 9, 33}) {
                CAPTURE(step_tokens);
                CAPTURE(n_prompt);
                CAPTURE(static_cast<int>(pooling));
                Harness harness(fake_info(4, 64, step_tokens, 4, depth));
                harness.add(make_request(1, make_prompt(11, 1), 6));
                harness.add(pooled_request(2, n_prompt, pooling, n_prompt / 3));
                harness.add(pooled_request(3, n_prompt, Pooling::mean));
                harness.run();
                CHECK(harness.streams[1].output == expected_output(harness.streams[1].request));
                harness.streams.erase(1);
                check_vectors(harness);
                CHECK(harness.scheduler.blocks().n_free() == 64);
            }
}

TEST_CASE("scheduler vectors: of each token, those that are asked for") {
    Harness harness(fake_info(4, 64, 32, 4));
    GenerationRequest request = pooled_request(1, 33, Pooling::each);
    request.pooling->only_token = request.prompt.tokens()[5];
    harness.add(request);
    request = pooled_request(2, 33, Pooling::each);
    request.pooling->only_token = FakeBackend::n_vocab;
    harness.add(request);
    harness.run();
    check_vectors(harness);
    CHECK(harness.streams[1].vectors.size() == FakeBackend::vector_size);
    CHECK(harness.streams[2].vectors.empty());
}

TEST_CASE("scheduler vectors: a step gives no more of them than the backend takes") {
    Harness harness(fake_info(4, 64, 32, 4));  // 6 a step
    harness.add(pooled_request(1, 9, Pooling::each));
    harness.add(pooled_request(2, 9, Pooling::last, 0, 1));
    CHECK(chunks_of(harness) == std::vector<std::vector<int>>{{6, 8}, {3, 1}});
    check_vectors(harness);
}

TEST_CASE("scheduler vectors: the last token's may follow a prefix that is cached") {
    const int depth = each_depth();
    Harness harness(fake_info(4, 64, 32, 4, depth));
    harness.add(pooled_request(1, 20, Pooling::mean));
    harness.run();
    harness.add(pooled_request(2, 20, Pooling::last));
    harness.run();
    harness.add(pooled_request(3, 20, Pooling::mean));
    harness.run();
    CHECK(harness.streams[2].n_cached == 16);
    CHECK(harness.streams[3].n_cached == 0);
    check_vectors(harness);
}

TEST_CASE("scheduler vectors: where tokens see all of their sequence it is one step's") {
    const int depth = each_depth();
    BackendInfo info = fake_info(4, 64, 20, 4, depth);
    info.samples = info.is_causal = false;
    Harness harness(info);
    for (SequenceId id = 1; id <= 7; ++id)
        harness.add(pooled_request(id, 9, kPoolings[(id - 1) % 6]));
    for (const std::vector<int>& step : chunks_of(harness))
        for (const int n : step) CHECK(n == 9);
    check_vectors(harness);
    CHECK(harness.scheduler.counters().prefix_queried == 0);
}

TEST_CASE("scheduler vectors: what can never be made is refused") {
    BackendInfo info = fake_info(4, 64, 20, 4);
    CHECK(Scheduler(info, true).add(pooled_request(1, 64 * 4, Pooling::last), 0));
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 64 * 4 + 1, Pooling::last), 0));
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 4, Pooling::mean, 4), 0));
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 4, Pooling::mean, -1), 0));
    info.is_causal = false;
    CHECK(Scheduler(info, true).add(pooled_request(1, 20, Pooling::last), 0));
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 21, Pooling::last), 0));
    CHECK(Scheduler(info, true).add(pooled_request(1, 6, Pooling::each), 0));
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 7, Pooling::each), 0));
    info.samples = false;
    CHECK_FALSE(Scheduler(info, true).add(make_request(1, make_prompt(4), 1), 0));
    info.max_vectors = 0;
    CHECK_FALSE(Scheduler(info, true).add(pooled_request(1, 4, Pooling::last), 0));
}

TEST_CASE("scheduler vectors: numbers that are not finite end the sequence") {
    Harness harness(fake_info(4, 64, 32, 4));
    harness.backend.after_collect = [](StepResult& result) {
        result.vectors[0] = std::numeric_limits<float>::infinity();
    };
    harness.add(pooled_request(1, 9, Pooling::mean));
    harness.run();
    CHECK(harness.streams[1].finish == FinishReason::error);
    CHECK(harness.streams[1].vectors.empty());
}

}  // namespace qwend
