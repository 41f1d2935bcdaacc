// The device's scores against their oracle, model/sampler.h, on fresh random inputs.

#include "gpu/sampling/score.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "model/sampler.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

constexpr int kMaxLogprobs = 32;

struct Row {
    std::vector<float> logits;
    int32_t target = 0;  // below 0: padding
    int n_logprobs = 0;
};

/// All rows in one launch, as the second half of a step's results.
std::vector<ScoredToken> score_on_device(const std::vector<Row>& rows, int width, int n_valid) {
    const int n = int(rows.size()), first = 3;
    std::vector<float> logits;
    std::vector<int32_t> targets, n_logprobs;
    for (const Row& row : rows) {
        logits.insert(logits.end(), row.logits.begin(), row.logits.end());
        targets.push_back(row.target), n_logprobs.push_back(row.n_logprobs);
    }
    const auto device_logits = to_device(logits);
    const auto device_targets = to_device(targets), device_logprobs = to_device(n_logprobs);
    const auto slot = to_device(std::vector<int32_t>{1});
    DeviceBuffer<float> scratch(logits.size());
    const size_t n_rows = size_t(first + n), n_results = 2 * n_rows;
    PinnedBuffer<int32_t> tokens(n_results), top_tokens(n_results * kMaxLogprobs), ranks(n_results);
    PinnedBuffer<float> logprobs(n_results), top_logprobs(n_results * kMaxLogprobs);
    for (size_t i = 0; i < n_results; i++) tokens[i] = -77;
    score_rows({device_logits.get(),
                test_device().has_clusters() ? nullptr : scratch.get(),
                width,
                n_valid,
                device_targets.get(),
                device_logprobs.get(),
                {SampleResults{tokens.get(), logprobs.get(), top_tokens.get(), top_logprobs.get(),
                               int(n_rows), kMaxLogprobs, slot.get()},
                 ranks.get()},
                first,
                n},
               test_stream());
    test_stream().synchronize();
    std::vector<ScoredToken> scores;
    for (size_t i = 0; i < rows.size(); i++) {
        const size_t at = n_rows + size_t(first) + i;
        ScoredToken score{{tokens[at], logprobs[at], {}}, ranks[at]};
        for (size_t k = 0; int(k) < rows[i].n_logprobs; k++)
            score.given.top.push_back(
                {top_tokens[at * kMaxLogprobs + k], top_logprobs[at * kMaxLogprobs + k]});
        scores.push_back(std::move(score));
    }
    for (size_t i = 0; i < n_rows + size_t(first); i++) CHECK(tokens[i] == -77);  // others' rows
    return scores;
}

Row random_row(std::mt19937& random, int width, int n_valid) {
    auto chance = [&](double p) { return std::bernoulli_distribution(p)(random); };
    std::normal_distribution<float> normal(
        0, float(std::uniform_real_distribution<double>(0.5, 6)(random)));
    const bool ties = chance(0.3);
    Row row;
    for (int i = 0; i < width; i++)
        row.logits.push_back(ties ? std::round(normal(random)) : normal(random));
    row.target = int32_t(random() % uint32_t(n_valid));
    if (chance(0.1)) row.target = n_valid + int32_t(random() % 50);  // never sampled
    if (chance(0.1))
        row.logits[size_t(random() % uint32_t(n_valid))] = chance(0.5) ? NAN : INFINITY;
    if (chance(0.1)) row.logits[size_t(row.target) % size_t(n_valid)] = -INFINITY;
    row.n_logprobs = int(random() % 21);
    return row;
}

}  // namespace

TEST_CASE("score: the device says of a token what the CPU says") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    std::mt19937 random{uint32_t(seed)};
    int n_faults = 0, n_scored = 0;
    for (auto [width, n_valid] : {std::pair<int, int>{151936, 151665}, {6144, 6080}, {384, 384}}) {
        std::vector<Row> rows;
        for (int i = 0; i < (is_quick() ? 6 : 64); i++)
            rows.push_back(random_row(random, width, n_valid));
        rows[2].target = -1;
        const auto device = score_on_device(rows, width, n_valid);
        for (size_t i = 0; i < rows.size(); i++) {
            CAPTURE(width);
            CAPTURE(i);
            if (rows[i].target < 0) {
                CHECK(device[i].given.token == -77);
                continue;
            }
            const ScoredToken host = score(std::span(rows[i].logits).first(size_t(n_valid)),
                                           rows[i].target, rows[i].n_logprobs);
            REQUIRE(device[i].given.token == host.given.token);
            if (host.given.token < 0) {
                n_faults++;
                continue;
            }
            n_scored++;
            CHECK(device[i].rank == host.rank);
            if (std::isinf(host.given.logprob))
                CHECK(device[i].given.logprob == host.given.logprob);
            else
                CHECK(device[i].given.logprob == doctest::Approx(host.given.logprob).epsilon(1e-4));
            REQUIRE(device[i].given.top.size() == host.given.top.size());
            for (size_t k = 0; k < host.given.top.size(); k++) {
                CHECK(device[i].given.top[k].token == host.given.top[k].token);
                CHECK(device[i].given.top[k].logprob ==
                      doctest::Approx(host.given.top[k].logprob).epsilon(1e-4));
            }
        }
    }
    CHECK(n_scored > n_faults);
}
