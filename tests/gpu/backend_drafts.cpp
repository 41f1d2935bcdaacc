// Guesses through the whole CUDA backend: a step of up to eight tokens samples after each what
// steps of one token do, to the bit.

#include "gpu/cuda_backend.h"

#include <doctest/doctest.h>

#include <memory>

#include "model/weights.h"
#include "tests/gpu/make_backend.h"
#include "tests/unit/backend_samples.h"

using namespace qwend;

TEST_CASE("cuda_backend: several samples of a step are those of several steps") {
    check_drafts(make);
    check_drafts(make_deterministic);
}

TEST_CASE("cuda_backend: each of several samples has its mask") {
    check_masks(make);
}

// Keys that a step writes for a row are those that the next rows read, in a block that may be new.
TEST_CASE("cuda_backend: a stream does not depend on drafts, wherever its blocks begin") {
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        BackendOptions options;
        options.kv_cache_bytes = 8 << 20;
        const auto backend = make(hashed.checkpoint, options);
        for (int length = 1; length < 50; length += 3) {
            CAPTURE(shape.name);
            CAPTURE(length);
            check_drafted_streams(*backend, {greedy_request(SequenceId(length), length, 40)}, 7);
        }
    }
}

TEST_CASE("cuda_backend: a stream of the demo model does not depend on drafts") {
    BackendOptions options;
    options.kv_cache_bytes = 32 << 20;
    const auto backend = make_cuda_backend(open_checkpoint("tests/demo-model"), 0, options);
    for (const GenerationRequest& request : demo_requests())
        check_drafted_streams(*backend, {request});
}
