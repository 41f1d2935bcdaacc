#include "daemon/api/generation.h"

namespace qwend {

void apply_defaults(const GenerationDefaults& defaults, SamplingParams& sampling) {
    sampling.temperature = defaults.temperature.value_or(sampling.temperature);
    sampling.top_p = defaults.top_p.value_or(sampling.top_p);
    sampling.min_p = defaults.min_p.value_or(sampling.min_p);
    sampling.top_k = defaults.top_k.value_or(sampling.top_k);
    sampling.repetition_penalty = defaults.repetition_penalty.value_or(sampling.repetition_penalty);
}

}  // namespace qwend
