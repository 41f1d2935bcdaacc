// Weights on their way from files to memory, and how much of it they and the KV cache may take.

#include "model/cpu/weights.h"

#include <doctest/doctest.h>

#include <cstring>

#include "model/bf16.h"
#include "model/cpu/cpu_backend.h"
#include "model/cpu/linear.h"
#include "model/error.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/quantized_checkpoint.h"

using namespace qwend;

TEST_CASE("cpu_weights: a group of tensors lies in memory as in the file") {
    // Larger than one read; a small tensor in front, so that nothing is aligned by luck.
    HashedCheckpoint hashed({"large", 896, 7, 1, 4096, false}, 1);
    const Checkpoint& c = *hashed.checkpoint;
    const LayerWeights& layer = c.weights.layers[0];
    TensorBuffer buffer(c.files);
    for (int round = 0; round < 2; round++) {
        const std::vector<const StoredTensor*> tensors = {&*layer.k.bias, &layer.gate.weight,
                                                          &layer.input_norm, &layer.up.weight};
        const auto views = buffer.read(tensors);
        REQUIRE(views.size() == 4);
        for (size_t i = 0; i < 4; i++) {
            CHECK(views[i].shape == tensors[i]->shape);
            std::vector<std::byte> expected(tensors[i]->n_bytes);
            c.files.read(*tensors[i], 0, expected.size(), expected.data());
            CHECK(std::memcmp(views[i].data, expected.data(), expected.size()) == 0);
        }
    }
    const TensorView view = buffer.read({&c.weights.embedding})[0];
    const LazyMemory kept = buffer.take();
    CHECK(view.data == kept.get());
}

TEST_CASE("cpu_weights: a file cut while it is read is refused") {
    HashedCheckpoint hashed({"large", 896, 7, 1, 4096, false}, 1);
    const Checkpoint& c = *hashed.checkpoint;
    std::filesystem::resize_file(hashed.path() / "model.safetensors",
                                 c.weights.lm_head.weight.offset + 100);
    TensorBuffer buffer(c.files);
    CHECK_THROWS_WITH_AS(buffer.read({&c.weights.embedding, &c.weights.lm_head.weight}),
                         doctest::Contains("changed while it was read"), LoadError);
}

TEST_CASE("cpu_weights: the KV cache fits beside the weights or is refused") {
    constexpr size_t kGiB = size_t(1) << 30;
    const HostMemory host{10 * kGiB, 16 * kGiB};
    CHECK(plan_cpu_memory(2 * kGiB, 0, 3 * kGiB, host).kv_bytes == 3 * kGiB);
    CHECK(plan_cpu_memory(2 * kGiB, 0, 9 * kGiB, host).kv_bytes == 4 * kGiB);
    CHECK(plan_cpu_memory(2 * kGiB, 8 * kGiB, 0, host).kv_bytes == 8 * kGiB);
    CHECK_THROWS_WITH_AS(plan_cpu_memory(2 * kGiB, 8 * kGiB + 1, 0, host),
                         doctest::Contains("expected at most 8192 MiB"), LoadError);
    CHECK_THROWS_WITH_AS(plan_cpu_memory(2 * kGiB, 4000 * kGiB, 0, host),
                         doctest::Contains("found 4096000 MiB"), LoadError);
    CHECK_THROWS_WITH_AS(plan_cpu_memory(17 * kGiB, 0, kGiB, host),
                         doctest::Contains("expected 17408 MiB of memory, found 16384 MiB"),
                         LoadError);
    CHECK(plan_cpu_memory(12 * kGiB, 0, kGiB, host).kv_bytes == 0);
    CHECK(plan_cpu_memory(2 * kGiB, 4000 * kGiB, 0, {}).kv_bytes == 4000 * kGiB);  // not known
}

TEST_CASE("cpu_weights: what the weights will take is known before they are loaded") {
    HashedCheckpoint hashed({"small", 256, 4, 2, 480, false}, 3);
    const size_t layer = 256 * (256 + 2 * 128 + 256 + 3 * 480);
    const size_t matrices = 3 * layer + kHashedVocab * 256;
    CHECK(cpu_weight_bytes(hashed.checkpoint->weights, 4) == 4 * matrices + 2 * kHashedVocab * 256);
}

void check_counted(const Checkpoint& checkpoint) {
    BackendOptions options;
    options.kv_cache_bytes = 1 << 20, options.max_context = 64;
    const auto backend = make_cpu_backend(checkpoint, options);
    const size_t element_bytes = CpuLinear::uses_bf16() ? sizeof(bf16_t) : sizeof(float);
    CHECK(backend->info().weight_bytes + checkpoint.weights.embedding.n_bytes ==
          cpu_weight_bytes(checkpoint.weights, element_bytes));
}

TEST_CASE("cpu_weights: quantised weights are counted as they will be packed") {
    const HashedShape shape{"small", 256, 4, 2, 384, true};
    for (const QuantizedFormat& format : quantized_formats()) {
        CAPTURE(format.name);
        check_counted(*QuantizedCheckpoint(shape, format, 1).checkpoint);
    }
    const HashedCheckpoint numbers(shape, 3);
    for (LinearKind kind : {LinearKind::int8, LinearKind::fp8, LinearKind::int4})
        for (bool head : {false, true})
            check_counted(open_checkpoint(numbers.path(), {kind, head}));
}
