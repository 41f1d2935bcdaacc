// Prompts scored through the whole CUDA backend: a token that is given gets what one that is
// sampled gets, and nobody beside it sees that it was scored.

#include "tests/unit/backend_scores.h"
#include "gpu/cuda_backend.h"
#include "tests/gpu/make_backend.h"

using namespace qwend;

namespace {

/// Fewer logits at once than a step has scores: they are made in several goes.
std::unique_ptr<Backend> make_narrow(std::shared_ptr<const Checkpoint> checkpoint,
                                     BackendOptions options) {
    options.max_sequences = 5;
    return make_cuda_backend(*checkpoint, 0, options);
}

}  // namespace

TEST_CASE("cuda_backend: a prompt's tokens are scored as they would be sampled") {
    check_scores(make, false);
    check_scores(make_narrow, false);
}

TEST_CASE("cuda_backend: with deterministic a score is a sample's to the bit") {
    check_scores(make_deterministic, true);
    check_scores_disturb_nobody(make_deterministic, true);
}

TEST_CASE("cuda_backend: streams beside prompts that are scored get what they get alone") {
    check_scores_disturb_nobody(make, false);
}
