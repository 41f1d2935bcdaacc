// The sampler against a slow twin, its generator against Random123's published vectors.

#include "model/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

using namespace qwend;

namespace {

std::vector<float> random_logits(size_t n, std::mt19937& random, bool ties) {
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> logits(n);
    for (float& l : logits) l = ties ? std::round(normal(random)) : normal(random);
    return logits;
}

/// Probabilities after everything but the draw, the plain way.
std::map<int32_t, double> slow_distribution(std::vector<float> logits, const SamplingParams& p,
                                            const std::vector<int32_t>& prompt,
                                            const std::vector<int32_t>& output) {
    std::map<int32_t, int> counts, seen;
    for (int32_t t : prompt) seen[t]++;
    for (int32_t t : output) seen[t]++, counts[t]++;
    for (auto [t, bias] : p.logit_bias) logits[size_t(t)] += bias;
    for (auto [t, n] : seen) {
        float& l = logits[size_t(t)];
        l = l > 0 ? l / p.repetition_penalty : l * p.repetition_penalty;
        if (counts[t]) l -= p.frequency_penalty * float(counts[t]) + p.presence_penalty;
    }
    std::vector<std::pair<float, int32_t>> order;
    for (size_t i = 0; i < logits.size(); i++) order.emplace_back(-logits[i], int32_t(i));
    std::sort(order.begin(), order.end());
    const double top = -order[0].first;
    std::vector<std::pair<int32_t, double>> kept;
    for (auto [negative, token] : order) {
        if (p.top_k > 0 && int(kept.size()) == p.top_k) break;
        const double weight = std::exp((-double(negative) - top) / p.temperature);
        if (weight < p.min_p * (1 - 1e-6)) break;
        kept.emplace_back(token, weight);
    }
    double total = 0, sum = 0;
    for (auto& k : kept) total += k.second;
    std::map<int32_t, double> result;
    for (auto [token, weight] : kept) {
        if (sum >= p.top_p * total) break;
        result[token] = weight;
        sum += weight;
    }
    for (auto& r : result) r.second /= sum;
    return result;
}

}  // namespace

TEST_CASE("sampler: Philox4x32-10 gives the published numbers") {
    // Random123's kat_vectors: zero key and counter give 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    CHECK(philox_uniform(0, 0) == float(0x6627e8d5u >> 8) * 0x1p-24f);
    for (int i = 0; i < 1000; i++) {
        const float u = philox_uniform(42, uint64_t(i));
        CHECK((u >= 0 && u < 1));
    }
    CHECK(philox_uniform(1, 2) != philox_uniform(1, 3));
    CHECK(philox_uniform(1, 2) != philox_uniform(2, 2));
}

TEST_CASE("sampler: greedy takes the likeliest, ties the lowest id") {
    std::vector<float> logits{1, 5, 3, 5, -INFINITY};
    SamplingParams greedy;
    greedy.temperature = 0;
    CHECK(sample(logits, greedy, {}, {}).token == 1);
    greedy.logit_bias = {{2, 10.0f}};
    logits = {1, 2, 0};
    CHECK(sample(logits, greedy, {}, {}).token == 2);
    greedy.logit_bias = {{99, 10.0f}};  // above the valid ids: no effect
    logits = {1, 2, 0};
    CHECK(sample(logits, greedy, {}, {}).token == 1);
}

TEST_CASE("sampler: says where no token can be sampled, and where there are no numbers") {
    for (const float temperature : {0.0f, 0.7f})
        for (const int top_k : {0, 2})
            for (const int n_logprobs : {-1, 0, 2}) {
                SamplingParams p;
                p.temperature = temperature, p.top_k = top_k, p.n_logprobs = n_logprobs;
                auto token = [&](std::vector<float> logits) {
                    const SampledToken sampled = sample(logits, p, {}, {});
                    CHECK((sampled.token >= 0 || (sampled.top.empty() && sampled.logprob == 0)));
                    return sampled.token;
                };
                CHECK(token({NAN, NAN, NAN}) == kNotANumber);
                CHECK(token({1, NAN, 2}) == kNotANumber);
                CHECK(token({1, INFINITY, 2}) == kNotANumber);
                CHECK(token({1, -INFINITY, -INFINITY}) == 0);
                p.stop_token_ids = {0, 1, 2}, p.min_tokens = 1;
                CHECK(token({1, 2, 3}) == kNoToken);
                p.min_tokens = 0, p.allowed_token_ids = {7, 99};
                CHECK(token({1, 2, 3}) == kNoToken);
                p.allowed_token_ids = {1};
                CHECK(token({1, 2, 3}) == 1);
                CHECK(token({NAN, NAN, NAN}) == kNotANumber);
                // What is masked matters to logprobs alone.
                CHECK(token({NAN, 2, 3}) == (n_logprobs < 0 ? 1 : kNotANumber));
            }
}

TEST_CASE("sampler: what can never begin is known beforehand") {
    SamplingParams p;
    CHECK_FALSE(masks_everything(p));
    p.allowed_token_ids = {1, 2}, p.stop_token_ids = {2, 1, 3};
    CHECK_FALSE(masks_everything(p));
    p.min_tokens = 1;
    CHECK(masks_everything(p));
    p.allowed_token_ids.push_back(4);
    CHECK_FALSE(masks_everything(p));
    p.logit_bias = {{4, -INFINITY}, {1, -100.0f}};
    CHECK(masks_everything(p));
    p.min_tokens = 0;
    CHECK_FALSE(masks_everything(p));
    p.allowed_token_ids = {4};
    CHECK(masks_everything(p));
    p.allowed_token_ids.clear();
    CHECK_FALSE(masks_everything(p));
}

TEST_CASE("sampler: a bias of -infinity makes a token impossible, whatever its logit") {
    SamplingParams p;
    p.logit_bias = {{2, -INFINITY}, {0, -INFINITY}};
    p.repetition_penalty = 0.5f;
    for (const float temperature : {0.0f, 100.0f})
        for (const float logit : {9.0f, -9.0f, NAN, INFINITY}) {
            p.temperature = temperature;
            std::vector<float> logits{9, 1, logit};
            CHECK(sample(logits, p, std::vector<int32_t>{0}, std::vector<int32_t>{2}).token == 1);
        }
    p.logit_bias.emplace_back(1, -INFINITY);
    std::vector<float> logits{9, 1, 2};
    CHECK(sample(logits, p, {}, {}).token == kNoToken);
}

TEST_CASE("sampler: an id that is named twice is one") {
    SamplingParams p;
    p.logit_bias = {{1, 5.0f}, {2, 1.0f}, {1, -3.0f}, {0, 0.5f}, {2, 2.0f}};
    p.allowed_token_ids = {2, 1, 2, 0};
    p.stop_token_ids = {9, 9};
    make_distinct(p);
    CHECK(p.logit_bias == std::vector<std::pair<int32_t, float>>{{1, -3.0f}, {2, 2.0f}, {0, 0.5f}});
    CHECK(p.allowed_token_ids == std::vector<int32_t>{0, 1, 2});
    CHECK(p.stop_token_ids == std::vector<int32_t>{9});
}

TEST_CASE("sampler: draws what the slow twin's distribution says") {
    std::mt19937 random(20240501);
    for (int round = 0; round < 60; round++) {
        SamplingParams p;
        p.temperature = 0.5f + float(random() % 100) / 60;
        p.top_k = random() % 2 ? int(random() % 12) : 0;
        p.top_p = random() % 2 ? 0.3f + float(random() % 7) / 10 : 1;
        p.min_p = random() % 3 ? 0 : 0.05f;
        p.repetition_penalty = random() % 2 ? 1.3f : 1;
        p.presence_penalty = random() % 2 ? 0.5f : 0;
        p.frequency_penalty = random() % 2 ? 0.4f : 0;
        if (random() % 2) p.logit_bias = {{3, 2.0f}, {7, -5.0f}};
        const std::vector<int32_t> prompt{1, 2, 2}, output{3, 3, 5};
        const auto logits = random_logits(40, random, round % 2);
        const auto expected = slow_distribution(logits, p, prompt, output);
        std::map<int32_t, int> drawn;
        constexpr int kDraws = 4000;
        for (int i = 0; i < kDraws; i++) {
            p.seed = uint64_t(i) * 7919 + uint64_t(round);
            auto copy = logits;
            drawn[sample(copy, p, prompt, output).token]++;
        }
        double chi = 0;
        for (auto [token, n] : drawn) REQUIRE(expected.contains(token));
        for (auto [token, probability] : expected) {
            const double want = probability * kDraws;
            chi += (drawn[token] - want) * (drawn[token] - want) / want;
        }
        // Fixed seeds: this is a fact about the code, not a chance. Mean k, deviation sqrt(2k).
        const double k = double(expected.size());
        CHECK(chi < k + 6 * std::sqrt(2 * k) + 10);
    }
}

TEST_CASE("sampler: a mask is the list of the ids it allows, and both may be given") {
    std::mt19937 random(3);
    for (size_t n : {1, 31, 32, 33, 100}) {
        const std::vector<float> logits = random_logits(n, random, false);
        const std::vector<int32_t> prompt = {0}, output = {int32_t(n - 1)};
        for (int round = 0; round < 50; round++) {
            CAPTURE(n);
            CAPTURE(round);
            std::vector<uint32_t> mask(mask_words(int(n)));
            for (uint32_t& word : mask) word = uint32_t(random());
            SamplingParams masked, listed;
            masked.seed = uint64_t(round), masked.temperature = round % 2 ? 1.0f : 0.0f;
            masked.repetition_penalty = 1.2f, masked.logit_bias = {{0, 2.0f}};
            masked.n_logprobs = 3;
            for (int32_t id = 0; id < int32_t(n); id += 1 + round % 3)
                masked.allowed_token_ids.push_back(id);
            listed = masked;
            std::erase_if(listed.allowed_token_ids,
                          [&](int32_t id) { return !(mask[size_t(id) / 32] >> (id % 32) & 1); });
            std::vector<float> a = logits, b = logits;
            const SampledToken ours = sample(a, masked, prompt, output, mask);
            if (listed.allowed_token_ids.empty()) {
                CHECK(ours.token == kNoToken);
                continue;
            }
            const SampledToken theirs = sample(b, listed, prompt, output);
            CHECK(ours.token == theirs.token);
            CHECK(ours.logprob == theirs.logprob);
        }
    }
}

TEST_CASE("sampler: masks, minimum length, allowed ids") {
    SamplingParams p;
    p.temperature = 0;
    p.stop_token_ids = {2};
    p.min_tokens = 2;
    std::vector<float> logits{0, 1, 9};
    CHECK(sample(logits, p, {}, std::vector<int32_t>{5}).token == 1);
    logits = {0, 1, 9};
    CHECK(sample(logits, p, {}, std::vector<int32_t>{5, 5}).token == 2);
    p = {};
    p.allowed_token_ids = {0, 1};
    for (int seed = 0; seed < 100; seed++) {
        p.seed = uint64_t(seed);
        logits = {0, 1, 9};
        CHECK(sample(logits, p, {}, {}).token < 2);
    }
}

TEST_CASE("sampler: log-probabilities are of the raw logits, likeliest first") {
    SamplingParams p;
    p.temperature = 0;
    p.n_logprobs = 2;
    p.logit_bias = {{0, 100.0f}};
    std::vector<float> logits{0, 1, 2, 2};
    const SampledToken sampled = sample(logits, p, {}, {});
    const double log_sum = std::log(1 + std::exp(1) + 2 * std::exp(2));
    CHECK(sampled.token == 0);
    CHECK(sampled.logprob == doctest::Approx(0 - log_sum));
    REQUIRE(sampled.top.size() == 2);
    CHECK(sampled.top[0].token == 2);
    CHECK(sampled.top[1].token == 3);
    CHECK(sampled.top[0].logprob == doctest::Approx(2 - log_sum));
}

TEST_CASE("sampler: a token that is given is scored as one that is sampled is reported") {
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 3);
    for (int turn = 0; turn < 20; turn++) {
        std::vector<float> logits(500);
        for (float& logit : logits) logit = std::round(normal(random) * 4) / 4;  // with ties
        SamplingParams params;
        params.n_logprobs = 500, params.seed = uint64_t(turn);
        std::vector<float> copy = logits;
        const SampledToken sampled = sample(copy, params, {}, {});
        copy = logits;
        const ScoredToken scored = score(copy, sampled.token, 500);
        CHECK(scored.given.token == sampled.token);
        CHECK(scored.given.logprob == sampled.logprob);
        REQUIRE(scored.given.top.size() == 500);
        // Its rank is its place among the likeliest, ties and all.
        const TokenLogprob& top = scored.given.top[size_t(scored.rank - 1)];
        CHECK(top.token == sampled.token);
        CHECK(top.logprob == sampled.logprob);
    }
}

TEST_CASE("sampler: a score without numbers, and one of an id that is never sampled") {
    for (const float bad : {NAN, INFINITY}) {
        std::vector<float> logits = {1, 2, bad, 3};
        CHECK(score(logits, 0, 2).given.token == kNotANumber);
    }
    std::vector<float> masked(4, -INFINITY);
    CHECK(score(masked, 0, 2).given.token == kNotANumber);
    std::vector<float> logits = {1, 2, -INFINITY, 3};
    const ScoredToken beyond = score(logits, 7, 0);
    CHECK(beyond.given.token == 7);
    CHECK(beyond.given.logprob == -INFINITY);
    CHECK(beyond.rank == 5);
    CHECK(beyond.given.top.empty());
    CHECK(score(logits, 2, 0).given.logprob == -INFINITY);
    CHECK(score(logits, 2, 0).rank == 4);
    CHECK(score(logits, 3, 1).rank == 1);
}
