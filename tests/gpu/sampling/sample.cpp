// The device sampler against its oracle, model/sampler.h, on fresh random inputs.

#include "gpu/sampling/sample.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "gpu/lanes.h"
#include "model/sampler.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

struct Row {
    std::vector<float> logits;
    SamplingParams params;
    std::vector<int32_t> prompt, output;
    int n_guesses = 0;  // the last of the output
};

/// All rows in one launch, as the backend does it.
std::vector<SampledToken> sample_on_device(const std::vector<Row>& rows, int width, int n_valid) {
    const int n = int(rows.size()), max_logprobs = 32;
    Stream stream(test_device());
    Lanes lanes(n, 1, n_valid, max_logprobs);
    constexpr int kMostGuesses = 8;
    std::vector<int32_t> lane_ids, n_outputs, n_guesses, matrix_rows, inputs;
    DeviceBuffer<float> logits(size_t(n) * size_t(width)), scratch(logits.size());
    for (int i = 0; i < n; i++) {
        const Row& row = rows[size_t(i)];
        lane_ids.push_back(i);
        n_outputs.push_back(int32_t(row.output.size()));
        n_guesses.push_back(row.n_guesses);
        inputs.resize(inputs.size() + size_t(kMostGuesses - row.n_guesses), -1);
        inputs.insert(inputs.end(), row.output.end() - row.n_guesses, row.output.end());
        matrix_rows.push_back(int32_t(inputs.size()) - 1);
        BatchSequence sequence;
        sequence.lane = i, sequence.run = 1, sequence.sampling = &row.params;
        sequence.prompt = row.prompt, sequence.output = row.output;
        sequence.n_drafts = row.n_guesses;
        lanes.occupy(sequence, stream);
        CUDA_CHECK(cudaMemcpy(logits.get() + size_t(i) * size_t(width), row.logits.data(),
                              size_t(width) * sizeof(float), cudaMemcpyHostToDevice));
    }
    const auto device_lanes = to_device(lane_ids), device_outputs = to_device(n_outputs);
    const auto device_guesses = to_device(n_guesses), device_rows = to_device(matrix_rows);
    const auto device_inputs = to_device(inputs), slot = to_device(std::vector<int32_t>{0});
    CUDA_CHECK(cudaDeviceSynchronize());  // another stream than `stream`
    PinnedBuffer<int32_t> tokens(rows.size()), top_tokens(rows.size() * max_logprobs);
    PinnedBuffer<float> logprobs(rows.size()), top_logprobs(rows.size() * max_logprobs);
    sample_rows({logits.get(),
                 test_device().has_clusters() ? nullptr : scratch.get(),
                 width,
                 n_valid,
                 {device_lanes.get(), device_outputs.get(), device_guesses.get(), device_rows.get(),
                  device_inputs.get()},
                 lanes.sampling(),
                 lanes.counts(),
                 lanes.last_tokens(),
                 SampleResults{tokens.get(), logprobs.get(), top_tokens.get(), top_logprobs.get(),
                               n, max_logprobs, slot.get()},
                 n},
                stream);
    stream.synchronize();
    std::vector<SampledToken> result;
    for (size_t i = 0; i < rows.size(); i++) {
        SampledToken sampled{tokens[i], logprobs[i], {}};
        for (int k = 0; k < rows[i].params.n_logprobs; k++)
            sampled.top.push_back({top_tokens[i * max_logprobs + size_t(k)],
                                   top_logprobs[i * max_logprobs + size_t(k)]});
        result.push_back(std::move(sampled));
    }
    return result;
}

Row random_row(std::mt19937& random, int width, int n_valid) {
    auto chance = [&](double p) { return std::bernoulli_distribution(p)(random); };
    auto uniform = [&](double a, double b) {
        return float(std::uniform_real_distribution<double>(a, b)(random));
    };
    auto token = [&] { return int32_t(random() % uint32_t(n_valid)); };
    Row row;
    std::normal_distribution<float> normal(0, uniform(0.5, 6));
    const bool ties = chance(0.2);
    for (int i = 0; i < width; i++)
        row.logits.push_back(ties ? std::round(normal(random)) : normal(random));
    if (chance(0.05)) row.logits[size_t(token())] = NAN;
    SamplingParams& p = row.params;
    p.temperature = chance(0.2) ? 0 : uniform(0.2, 2);
    if (chance(0.5)) p.top_p = uniform(0.05, 1);
    if (chance(0.3)) p.min_p = uniform(0, 0.3);
    if (chance(0.6)) p.top_k = chance(0.8) ? int(1 + random() % 100) : int(1 + random() % 5000);
    if (chance(0.4)) p.repetition_penalty = uniform(0.8, 1.5);
    if (chance(0.3)) p.presence_penalty = uniform(-2, 2);
    if (chance(0.3)) p.frequency_penalty = uniform(-2, 2);
    p.seed = random();
    if (chance(0.2))
        for (int i = 0; i < 50; i++) {
            const float bias = uniform(-10, 10);
            p.logit_bias.emplace_back(i * 7 % n_valid, bias < -8 ? -INFINITY : bias);
        }
    if (chance(0.1))
        for (int i = 0; i < 200; i++) p.allowed_token_ids.push_back(token());
    if (chance(0.3)) p.n_logprobs = int(random() % 21);
    p.stop_token_ids = {token(), token()};
    p.min_tokens = int(random() % 40);
    for (uint32_t i = random() % 300; i > 0; i--) row.prompt.push_back(token());
    for (uint32_t i = random() % 60; i > 0; i--) row.output.push_back(token() % 50);
    if (chance(0.4)) row.n_guesses = int(random() % std::min(row.output.size() + 1, size_t{8}));
    return row;
}

}  // namespace

TEST_CASE("sample: the device draws what the CPU draws, whatever the parameters") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    std::mt19937 random{uint32_t(seed)};
    int n_rows = 0, n_differ = 0;
    for (auto [width, n_valid] : {std::pair<int, int>{151936, 151665}, {6144, 6080}, {384, 384}})
        for (int turn = 0; turn < (is_quick() ? 1 : 4); turn++) {
            std::vector<Row> rows;
            for (int i = 0; i < (is_quick() ? 6 : 48); i++)
                rows.push_back(random_row(random, width, n_valid));
            const auto device = sample_on_device(rows, width, n_valid);
            for (size_t i = 0; i < rows.size(); i++) {
                Row& row = rows[i];
                const SampledToken host = sample(std::span(row.logits).first(size_t(n_valid)),
                                                 row.params, row.prompt, row.output);
                n_rows++;
                // The two sum weights with different roundings: a draw on the very edge may differ.
                if (device[i].token != host.token) {
                    n_differ++;
                    MESSAGE("differs: width " << width << " T " << row.params.temperature
                                              << " top_p " << row.params.top_p << " top_k "
                                              << row.params.top_k << " min_p " << row.params.min_p
                                              << " device " << device[i].token << " host "
                                              << host.token);
                    continue;
                }
                if (row.params.n_logprobs < 0 || host.token < 0) continue;
                CHECK(device[i].logprob == doctest::Approx(host.logprob).epsilon(1e-4));
                for (size_t k = 0; k < host.top.size(); k++) {
                    CHECK(device[i].top[k].token == host.top[k].token);
                    CHECK(device[i].top[k].logprob ==
                          doctest::Approx(host.top[k].logprob).epsilon(1e-4));
                }
            }
        }
    MESSAGE(n_rows << " rows, " << n_differ << " differ");
    CHECK(n_differ <= 1);  // of sixteen runs none had one
}

TEST_CASE("sample: the device says where no token can be sampled, and where there are no numbers") {
    constexpr int kWidth = 6144, kValid = 6080;
    std::vector<int32_t> all(kValid);
    std::iota(all.begin(), all.end(), 0);
    std::vector<Row> rows;
    auto add = [&](float logit, float one) -> SamplingParams& {
        rows.emplace_back();
        rows.back().logits.assign(kWidth, logit);
        rows.back().logits[77] = one;
        return rows.back().params;
    };
    for (const float temperature : {0.0f, 0.7f})
        for (const int top_k : {0, 20})
            for (const int n_logprobs : {-1, 0, 5})
                for (const float penalty : {1.0f, 1.2f})
                    for (const float one : {1.0f, NAN, INFINITY, -INFINITY})
                        for (const float logit : {0.5f, NAN})
                            for (const int list : {0, 1, 2, 3}) {
                                SamplingParams& p = add(logit, one);
                                p.temperature = temperature, p.top_k = top_k;
                                p.n_logprobs = n_logprobs, p.repetition_penalty = penalty;
                                if (list == 1) p.stop_token_ids = all, p.min_tokens = 1;
                                if (list == 2) p.allowed_token_ids = {77};
                                if (list == 3) p.allowed_token_ids = {78, 5000};
                                rows.back().prompt = {77, 78};
                            }
    int n_none = 0, n_faults = 0;
    for (size_t begin = 0; begin < rows.size(); begin += 64) {
        const size_t end = std::min(rows.size(), begin + 64);
        const std::vector<Row> some(rows.begin() + long(begin), rows.begin() + long(end));
        const auto device = sample_on_device(some, kWidth, kValid);
        for (size_t i = 0; i < some.size(); i++) {
            CAPTURE(begin + i);
            Row row = some[i];
            const int32_t host =
                sample(std::span(row.logits).first(kValid), row.params, row.prompt, row.output)
                    .token;
            CHECK(device[i].token == host);
            n_none += host == kNoToken, n_faults += host == kNotANumber;
        }
    }
    CHECK(n_none > 0);
    CHECK(n_faults > 0);
}

TEST_CASE("reset_counts: the output's tokens counted, the prompt's marked") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (int n_valid : {384, 6080, 151665})
        for (int n_prompt : {0, 1, 3000}) {
            std::vector<int32_t> history;
            for (int i = 0; i < n_prompt + 500; i++)  // few kinds, and ids that are never sampled
                history.push_back(i % 3 ? random.below(100) : random.below(n_valid + 100));
            std::vector<uint16_t> counts(size_t(n_valid), 0);
            for (size_t i = 0; i < history.size(); i++) {
                if (history[i] >= n_valid) continue;
                uint16_t& count = counts[size_t(history[i])];
                if (int(i) < n_prompt)
                    count = kInPrompt;
                else
                    count++;
            }
            const auto device_history = to_device(history);
            const Output<uint16_t> out(counts.size());
            reset_counts(out.get(), n_valid, device_history.get(), n_prompt, int(history.size()),
                         test_stream());
            CHECK(out.read() == counts);
        }
}
