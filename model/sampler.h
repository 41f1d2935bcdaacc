#pragma once

#include <cstdint>
#include <span>

#include "model/sampling.h"

namespace qwend {

/// The CPU sampler, and the oracle for the device one. A pure function: the same logits, history,
/// parameters and seed give the same token whatever else is in the batch.
/// `logits`: (n_valid) f32, clobbered; `prompt`, `output`: the ids so far (output.size() is the
/// Philox counter); `mask`: mask_words(n_valid), or empty for all ids. Source of the generator:
/// Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11 (Philox4x32-10).
SampledToken sample(std::span<float> logits, const SamplingParams& params,
                    std::span<const int32_t> prompt, std::span<const int32_t> output,
                    std::span<const uint32_t> mask = {});

/// What the logits say of `token` and of the `n_logprobs` likeliest. `logits`: (n_valid) f32, of
/// which NaN is changed; an id past them has a log-probability of minus infinity. The slow twin of
/// the device's.
ScoredToken score(std::span<float> logits, int32_t token, int n_logprobs);

/// Uniform in [0, 1) with 24 bits, from Philox4x32-10 with key `seed` and counter `index`.
float philox_uniform(uint64_t seed, uint64_t index);

}  // namespace qwend
