// What a checkpoint says of sampling.

#include "daemon/api/generation.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("generation: what a checkpoint says holds, and the rest is as it was") {
    GenerationDefaults defaults;
    SamplingParams sampling;
    apply_defaults(defaults, sampling);
    CHECK(sampling.temperature == 1);
    CHECK(sampling.top_k == 0);
    defaults.temperature = 0.7f;
    defaults.top_k = 20;
    defaults.repetition_penalty = 1.1f;
    apply_defaults(defaults, sampling);
    CHECK(sampling.temperature == 0.7f);
    CHECK(sampling.top_k == 20);
    CHECK(sampling.repetition_penalty == 1.1f);
    CHECK(sampling.top_p == 1);
    CHECK(sampling.min_p == 0);
}
