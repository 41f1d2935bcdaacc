#pragma once

#include "model/quantized/at_load.h"
#include "tests/unit/backend_driver.h"
#include "tests/unit/quantized_checkpoint.h"
#include "tests/unit/slow_hidden_states.h"

/// What every backend has to show of quantised weights: the forward in double with what they stand
/// for.

namespace qwend {

inline std::vector<double> logprobs_of(std::vector<double> logits) {
    double most = *std::max_element(logits.begin(), logits.end()), sum = 0;
    for (double logit : logits) sum += std::exp(logit - most);
    for (double& logit : logits) logit -= most + std::log(sum);
    return logits;
}

/// Of the next token.
inline std::vector<double> slow_logprobs(const SlowForward& slow, std::span<const int32_t> tokens) {
    return logprobs_of(slow.logits(slow.hidden_states(tokens).back()));
}

/// KL divergence of a step's first sample from the slow forward's distribution.
inline double divergence_from(const std::vector<double>& expected, const SampledToken& sample) {
    REQUIRE(sample.top.size() == expected.size());
    double sum = 0;
    for (auto& entry : sample.top)
        sum += std::exp(expected[size_t(entry.token)]) *
               (expected[size_t(entry.token)] - entry.logprob);
    return sum;
}

/// The first token's distribution after prompts that fit into few rows and that do not.
inline void check_first_tokens(Driver& driver, const SlowForward& slow, const std::string& name,
                               double bound) {
    double total = 0;
    for (int length : {1, 3, 17, 70}) {
        CAPTURE(length);
        DrivenStream stream = make_stream(length);
        driver.run({&stream}, 1);
        const double found = divergence_from(slow_logprobs(slow, stream.prompt), stream.samples[0]);
        CHECK(found < bound);
        total += found;
    }
    MESSAGE(name << ": KL to the forward in double " << total / 4);
}

/// Of a format; `bound`: of the divergence of one. `takes_stray_bias`: whether the backend takes a
/// bias of any layer.
inline void check_quantized(const BackendFactory& make, const QuantizedFormat& format,
                            const HashedShape& shape, unsigned seed, double bound,
                            bool takes_stray_bias = true) {
    CAPTURE(format.name);
    CAPTURE(seed);
    const QuantizedCheckpoint made(shape, format, seed, 2, takes_stray_bias);
    const SlowForward slow(*made.checkpoint, [&](const std::string& module) {
        return made.linears.at(module).weights;
    });
    Driver driver(make, made.checkpoint, 4096);
    check_first_tokens(driver, slow, format.name, bound);
}

/// The same of numbers that are quantised as they are loaded.
inline void check_quantized_at_load(const BackendFactory& make, const QuantizeAtLoad& at_load,
                                    const HashedShape& shape, double bound) {
    CAPTURE(int(at_load.layers));
    CAPTURE(at_load.head);
    const HashedCheckpoint made(shape, 3);
    const auto checkpoint =
        std::make_shared<const Checkpoint>(open_checkpoint(made.path(), at_load));
    Driver driver(make, checkpoint, 4096);
    check_first_tokens(driver, SlowForward(*checkpoint), describe_quantization(*checkpoint), bound);
}

}  // namespace qwend
