// Microseconds per token at the logits width of Qwen2.5.

#include <fmt/core.h>

#include <chrono>
#include <random>
#include <vector>

#include "model/sampler.h"

namespace {

void measure(const char* name, const qwend::SamplingParams& params) {
    constexpr int kVocab = 151936, kRounds = 200;
    static const std::vector<float> logits = [] {
        std::mt19937 random(1);
        std::normal_distribution<float> normal(0, 3);
        std::vector<float> values(kVocab);
        for (float& value : values) value = normal(random);
        return values;
    }();
    const std::vector<int32_t> prompt(500, 7), output(100, 9);
    std::vector<float> scratch;
    std::chrono::duration<double> spent{};
    for (int round = 0; round < kRounds; round++) {
        scratch = logits;
        const auto began = std::chrono::steady_clock::now();
        qwend::sample(scratch, params, prompt, output);
        spent += std::chrono::steady_clock::now() - began;
    }
    fmt::print("sampler    {:24} {:7.0f} us/token\n", name, spent.count() / kRounds * 1e6);
}

}  // namespace

int main() {
    qwend::SamplingParams greedy, qwen, nucleus, logprobs;
    greedy.temperature = 0;
    measure("greedy", greedy);
    qwen.temperature = 0.7f, qwen.top_p = 0.8f, qwen.top_k = 20, qwen.repetition_penalty = 1.05f;
    measure("Qwen2.5's defaults", qwen);
    nucleus.top_p = 0.95f;
    measure("top-p 0.95, no top-k", nucleus);
    logprobs = greedy;
    logprobs.n_logprobs = 20;
    measure("greedy, 20 logprobs", logprobs);
}
