// The scheduler over the CUDA backend: preemption, the prefix cache and cancellation, with steps in
// flight, against undisturbed runs. Up to eight rows a step have the same bits in any company; with
// more the order of additions depends on their number, and texts are compared while they are
// decided.

#include "tests/gpu/make_backend.h"
#include "tests/unit/scheduled_checks.h"

using namespace qwend;

TEST_CASE("scheduled cuda_backend: preempted streams resume with the same text") {
    for (bool prefix_cache : {false, true}) check_preemption(make, prefix_cache, false);
}

TEST_CASE("scheduled cuda_backend: a prefix from the cache gives the same text") {
    check_prefix_cache(make, 16, true);
    check_prefix_cache(make, 512, false);
}

TEST_CASE("scheduled cuda_backend: cancelled streams leave nothing behind and disturb nobody") {
    check_cancel(make);
    check_cancel_anywhere(make);
}

TEST_CASE("scheduled cuda_backend: an engine's worker gives the same text") {
    check_engine(make, false);
}
