// The CPU backend against transformers (tests/golden/logits.json) and against itself: alone, in a
// crowd, in chunks, token by token, preempted, cached.

#include "model/cpu/cpu_backend.h"

#include <doctest/doctest.h>

#include "model/cpu/linear.h"
#include "tests/unit/backend_checks.h"
#include "tests/unit/backend_samples.h"
#include "tests/unit/backend_scores.h"
#include "tests/unit/backend_vectors.h"
#include "tests/unit/gguf_checkpoint.h"
#include "tests/unit/quantized_checks.h"
#include "tests/unit/scheduled_checks.h"
#include "tests/unit/skip.h"

using namespace qwend;

namespace {

#ifdef __SANITIZE_THREAD__
constexpr int kThreads = 1;  // ThreadSanitizer cannot see libgomp's barriers, only races everywhere
#else
constexpr int kThreads = 2;
#endif

std::unique_ptr<Backend> make(std::shared_ptr<const Checkpoint> checkpoint,
                              BackendOptions options) {
    options.n_threads = kThreads;
    return make_cpu_backend(*checkpoint, options);
}

}  // namespace

TEST_CASE("cpu_backend: logits and greedy continuations are transformers'") {
    for (const HashedShape& shape : golden_shapes()) check_goldens(make, shape, 4097);
    check_goldens(make, long_shape(), 4097);
    for (const HashedShape& shape : activation_shapes()) check_goldens(make, shape, 4097);
}

TEST_CASE("cpu_backend: a stream is the same bits alone, in a crowd, and in chunks") {
    // Without bf16 products oneDNN promises nothing about rows beside each other.
    check_company(make, CpuLinear::uses_bf16());
}

TEST_CASE("cpu_backend: decode beside another's prefill is decode alone") {
    for (const HashedShape& shape : golden_shapes())
        for (int n_chunk : {4, 97})
            for (bool decode_first : {true, false})
                check_mixed(make, shape, n_chunk, decode_first,
                            CpuLinear::uses_bf16() ? kAnyRows : 0);
}

TEST_CASE("cpu_backend: f16 and f32 checkpoints are rounded to nearest even") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    for (const HashedShape& shape : golden_shapes())
        for (DType type : {DType::f16, DType::f32})
            check_stored_type(make, shape, type, type);  // embeddings are read as they are
}

TEST_CASE("cpu_backend: preempted streams resume with the same text") {
    for (bool prefix_cache : {false, true})
        check_preemption(make, prefix_cache, CpuLinear::uses_bf16());
}

TEST_CASE("cpu_backend: a prefix from the cache gives the same text") {
    for (int max_step_tokens : {16, 512})
        check_prefix_cache(make, max_step_tokens, CpuLinear::uses_bf16());
}

TEST_CASE("cpu_backend: cancelled streams leave nothing behind and disturb nobody") {
    if (CpuLinear::uses_bf16()) check_cancel(make);
    check_cancel_anywhere(make);
}

TEST_CASE("cpu_backend: an engine's worker gives the same text") {
    check_engine(make, CpuLinear::uses_bf16());
}

TEST_CASE("cpu_backend: several samples of a step are those of several steps") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    check_drafts(make);
}

TEST_CASE("cpu_backend: a mask over the vocabulary allows what a list of its ids does") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    check_masks(make);
}

TEST_CASE("cpu_backend: a prompt's tokens are scored as they would be sampled") {
    check_scores(make, CpuLinear::uses_bf16());
    check_scores_disturb_nobody(make, CpuLinear::uses_bf16());
}

TEST_CASE("cpu_backend: vectors of texts are those of the forward in double") {
    check_vectors(make);
}

TEST_CASE("cpu_backend: quantised weights are what the forward in double makes of them") {
    const HashedShape shape{"quantised", 256, 4, 2, 384, true};
    for (const QuantizedFormat& format : quantized_formats())
        check_quantized(make, format, shape, std::random_device{}(), 5e-3);
}

TEST_CASE("cpu_backend: GGUF files are what the forward in double makes of them") {
    check_gguf_files(make, true);
}

TEST_CASE("cpu_backend: numbers quantised at load are what the forward in double makes of them") {
    for (const QuantizeAtLoad& at_load : {QuantizeAtLoad{LinearKind::dense, true},
                                          {LinearKind::int8, false},
                                          {LinearKind::fp8, true},
                                          {LinearKind::int4, true}})
        check_quantized_at_load(
            make, at_load, {"at load", 256, 4, 2, 384, at_load.layers == LinearKind::fp8}, 5e-3);
}

TEST_CASE("cpu_backend: more samples than there are logits for at once") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    HashedCheckpoint hashed(golden_shapes()[0]);
    Driver driver(make, hashed.checkpoint, 512);
    DrivenStream stream = make_stream(20), stepped = stream;
    driver.run({&stream}, 1);
    driver.run({&stepped}, 301);
    const auto samples = driver.sample_after(
        driver.fork(stream), std::vector(stepped.output.begin() + 1, stepped.output.end() - 1));
    REQUIRE(samples.size() == 300);
    for (size_t i = 0; i < samples.size(); i++) CHECK(same(samples[i], stepped.samples[i + 1]));
}

TEST_CASE("cpu_backend: the demo model's streams do not depend on drafts or on where they began") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    BackendOptions options;
    options.kv_cache_bytes = 32 << 20;
    options.n_threads = kThreads;
    auto backend = make_cpu_backend(open_checkpoint("tests/demo-model"), options);
    check_stream_is_pure(*backend, demo_requests());
}

TEST_CASE("cpu_backend: ids at and above n_valid_tokens are never sampled") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    BackendOptions options;
    options.kv_cache_bytes = 1 << 20;
    options.n_valid_tokens = 10;
    auto backend = make_cpu_backend(*hashed.checkpoint, options);
    SamplingParams hot;
    hot.temperature = 50;
    for (int seed = 0; seed < 50; seed++) {
        hot.seed = uint64_t(seed);
        const std::vector<int32_t> prompt{seed};
        Batch batch;
        batch.tokens = {seed}, batch.positions = {0}, batch.slots = {0}, batch.block_tables = {0};
        BatchSequence row;
        row.n_query = row.n_context = 1;
        row.sampling = &hot;
        row.prompt = prompt;
        batch.sequences = {row};
        StepResult result;
        backend->step(batch, result);
        CHECK(result.samples[0].token < 10);
    }
}

TEST_CASE("cpu_backend: a KV cache too small for two blocks is refused with both numbers") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    BackendOptions options;
    options.kv_cache_bytes = 100;
    CHECK_THROWS_WITH_AS(make_cpu_backend(*hashed.checkpoint, options),
                         doctest::Contains("100 bytes"), LoadError);
}
