// The CUDA backend against transformers, against itself, and against the CPU backend.

#include <doctest/doctest.h>

#include <random>

#include "../unit/backend_driver.h"
#include "gpu/cuda_backend.h"

using namespace qwend;

namespace {

std::unique_ptr<Backend> make(std::shared_ptr<const Checkpoint> checkpoint,
                              const BackendOptions& options) {
    return make_cuda_backend(std::move(checkpoint), 0, options);
}

}  // namespace

TEST_CASE("cuda_backend: logits and greedy continuations are transformers'") {
    check_goldens(make);
}

TEST_CASE("cuda_backend: a stream has the same tokens alone, in a crowd, and in chunks") {
    check_company(make, false);
}

TEST_CASE("cuda_backend: up to eight decoding streams have the same bits as alone, graph or not") {
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        constexpr int kStreams = 8;
        std::vector<Stream> alone, crowd;
        for (int i = 0; i < kStreams; i++)
            alone.push_back(make_stream(1 + i * 37)), crowd.push_back(make_stream(1 + i * 37));
        // Prompts are prefilled alone in both, token by token, so that decode is all that differs.
        for (Stream& stream : alone) Driver(make, hashed.checkpoint, 1).run({&stream}, 8);
        std::vector<Stream*> all;
        for (Stream& stream : crowd) all.push_back(&stream);
        Driver(make, hashed.checkpoint, 1).run(all, 8);
        for (int i = 0; i < kStreams; i++) {
            CAPTURE(shape.name);
            CAPTURE(i);
            CHECK(crowd[size_t(i)].output == alone[size_t(i)].output);
            CHECK(same_logprobs(crowd[size_t(i)], alone[size_t(i)]));
        }
    }
}

TEST_CASE("cuda_backend: a KV cache larger than the device is refused with both numbers") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    BackendOptions options;
    options.kv_cache_bytes = size_t(1) << 50;
    CHECK_THROWS_WITH_AS(make(hashed.checkpoint, options), doctest::Contains("1073741824 MiB"),
                         LoadError);
}
