// The CUDA backend against transformers and against itself: alone, in a crowd, in chunks, captured
// or not, over long contexts.

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "gpu/attention/attention.h"
#include "gpu/linear/linear.h"
#include "tests/gpu/make_backend.h"
#include "tests/unit/backend_checks.h"

using namespace qwend;

namespace {

/// The step in which every stream gets its next token, but not for the streams themselves.
std::vector<DrivenStream> next_samples(Driver& driver, const std::vector<DrivenStream>& streams) {
    std::vector<DrivenStream> forks;
    for (const DrivenStream& stream : streams) forks.push_back(driver.fork(stream));
    std::vector<Driver::Share> shares;
    for (DrivenStream& fork : forks) shares.push_back({&fork, 1});
    driver.step(shares);
    return forks;
}

bool same_streams(const std::vector<DrivenStream>& a, const std::vector<DrivenStream>& b) {
    bool equal = a.size() == b.size();
    for (size_t i = 0; equal && i < a.size(); i++) equal = same(a[i], b[i]);
    return equal;
}

/// What decode_attention_o_proj_14x64_sm90() is made for, which none of the goldens is.
HashedShape fused_shape() {
    return {"head64_fused", 896, 14, 2, 384, true};
}

std::vector<HashedShape> decode_shapes() {
    std::vector<HashedShape> shapes = golden_shapes();
    shapes.push_back(fused_shape());
    return shapes;
}

std::vector<int32_t> random_tokens(int n) {
    std::mt19937 random(131072);
    std::vector<int32_t> tokens;
    for (int i = 0; i < n; i++) tokens.push_back(int32_t(random() % kHashedVocab));
    return tokens;
}

}  // namespace

TEST_CASE("cuda_backend: logits and greedy continuations are transformers'") {
    for (const HashedShape& shape : golden_shapes()) check_goldens(make, shape, 32000);
    for (const HashedShape& shape : activation_shapes()) check_goldens(make, shape, 32000);
}

TEST_CASE("cuda_backend: logits are transformers' over 131,072 tokens of context") {
    check_goldens(make, long_shape(), 131072, 4096);
}

TEST_CASE("cuda_backend: 131,072 tokens of context, however they are cut, and all of them count") {
    constexpr int kContext = 131072;
    HashedCheckpoint hashed(long_shape());
    DrivenStream stream;
    stream.prompt = random_tokens(kContext - 3);
    std::vector<DrivenStream> cut;
    for (int chunk : {4096, 2048}) {
        cut.push_back(stream);
        Driver(make, hashed.checkpoint, chunk, kContext).run({&cut.back()}, 4);
        REQUIRE(cut.back().n_computed == kContext);
    }
    CHECK(divergence(cut[0].samples[0], cut[1].samples[0]) < kClose);
    // Were a part of the context left out, what stands there would not matter.
    for (int quarter = 0; quarter < 4; quarter++) {
        CAPTURE(quarter);
        DrivenStream changed = stream;
        const auto begin = changed.prompt.begin() + quarter * (kContext / 4);
        std::fill(begin, begin + kContext / 4 - 100, 7);  // the last tokens stay
        Driver(make, hashed.checkpoint, 4096, kContext).run({&changed}, 1);
        CHECK(divergence(cut[0].samples[0], changed.samples[0]) > 10 * kClose);
    }
}

TEST_CASE("cuda_backend: a stream has the same tokens alone, in a crowd, and in chunks") {
    check_company(make, false);
}

TEST_CASE("cuda_backend: decode beside another's prefill is decode alone") {
    for (const HashedShape& shape : golden_shapes())
        for (int n_chunk : {4, 97})
            for (bool decode_first : {true, false})
                check_mixed(make, shape, n_chunk, decode_first, kSkinnyRows);
}

TEST_CASE("cuda_backend: if deterministic, a stream has the same bits in any company") {
    const auto make_deterministic = [](auto checkpoint, const BackendOptions& options) {
        BackendOptions deterministic = options;
        deterministic.deterministic = true;
        return make(checkpoint, deterministic);
    };
    check_company(make_deterministic, true);
    for (const HashedShape& shape : golden_shapes()) {
        check_goldens(make_deterministic, shape, 4097);
        for (bool decode_first : {true, false})
            check_mixed(make_deterministic, shape, 97, decode_first, kAnyRows);
    }
}

TEST_CASE("cuda_backend: a few decoding streams have the same bits as alone, graph or not") {
    for (const HashedShape& shape : decode_shapes()) {
        HashedCheckpoint hashed(shape);
        const int kStreams = kSkinnyRows;
        std::vector<DrivenStream> alone, crowd;
        for (int i = 0; i < kStreams; i++)
            alone.push_back(make_stream(1 + i * 37)), crowd.push_back(make_stream(1 + i * 37));
        // Prompts are prefilled alone in both, token by token, so that decode is all that differs.
        for (DrivenStream& stream : alone) Driver(make, hashed.checkpoint, 1).run({&stream}, 8);
        std::vector<DrivenStream*> all;
        for (DrivenStream& stream : crowd) all.push_back(&stream);
        Driver(make, hashed.checkpoint, 1).run(all, 8);
        for (int i = 0; i < kStreams; i++) {
            CAPTURE(shape.name);
            CAPTURE(i);
            CHECK(same(crowd[size_t(i)], alone[size_t(i)]));
        }
    }
}

// A stream alone takes other kernels once its context has several parts, and other graphs.
TEST_CASE("cuda_backend: a stream alone grows long with the bits of one in company") {
    HashedCheckpoint hashed(fused_shape());
    Driver driver(make, hashed.checkpoint, 4096);
    DrivenStream alone = make_stream(kKvSplitTokens - 6), beside = alone, other = make_stream(20);
    for (DrivenStream* stream : {&alone, &beside, &other})
        driver.step({{stream, int(stream->prompt.size()) - 1}});
    for (int i = 0; i < 16; i++) {
        driver.step({{&alone, 1}});
        driver.step({{&beside, 1}, {&other, 1}});
    }
    CHECK(alone.samples.size() == 16);
    CHECK(same(alone, beside));
}

// The backend runs the first decode step of a size as it is, captures the second and replays the
// graph from then on. The same step three times, and again after the graph has done others, has to
// give the same bits; sampled with every second stream.
TEST_CASE("cuda_backend: a captured step is the step, bit for bit") {
    for (const HashedShape& shape : decode_shapes()) {
        HashedCheckpoint hashed(shape);
        Driver driver(make, hashed.checkpoint, 4096);
        std::vector<DrivenStream> all;
        for (int i = 0; i < 200; i++) {
            all.push_back(make_stream(2 + (i * 37) % 301 + (i % 97 == 5 ? 1100 : 0)));
            if (i % 2) all.back().sampling.temperature = 1, all.back().sampling.seed = uint64_t(i);
            // All but the last token, which is not sampled: no decode step, so never captured.
            driver.step({{&all.back(), int(all.back().prompt.size()) - 1}});
        }
        for (int n : {1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 48, 64, 128, 200}) {
            CAPTURE(shape.name);
            CAPTURE(n);
            std::vector<DrivenStream> streams(all.end() - n, all.end());
            const std::vector<DrivenStream> eager = next_samples(driver, streams);
            CHECK(same_streams(next_samples(driver, streams), eager));  // captured
            CHECK(same_streams(next_samples(driver, streams), eager));  // replayed
            std::vector<DrivenStream> onward;
            for (const DrivenStream& stream : streams) onward.push_back(driver.fork(stream));
            for (int step = 0; step < 18; step++) {  // into new blocks
                std::vector<Driver::Share> shares;
                for (DrivenStream& stream : onward) shares.push_back({&stream, 1});
                driver.step(shares);
            }
            CHECK(same_streams(next_samples(driver, streams), eager));
        }
    }
}

TEST_CASE("cuda_backend: a prepared backend gives the same bits, from the first step on") {
    const auto make_prepared = [](auto checkpoint, const BackendOptions& options) {
        auto backend = make(checkpoint, options);
        while (backend->prepare()) {
        }
        return backend;
    };
    for (const HashedShape& shape : golden_shapes()) {
        check_goldens(make_prepared, shape, 4097);
        HashedCheckpoint hashed(shape);
        // One prompt a step: in the first backend it runs as it is, in the other as a graph.
        Driver eager(make, hashed.checkpoint, 512), captured(make_prepared, hashed.checkpoint, 512);
        for (int n : {2, 3, 8, 9, 16, 17, 40, 64, 65, 300, 512}) {
            CAPTURE(n);
            DrivenStream plain = make_stream(n), prepared = plain;
            eager.step({{&plain, n}}), captured.step({{&prepared, n}});
            CHECK(same(prepared, plain));
        }
        for (size_t n : {1u, 5u, 40u}) {
            std::vector<DrivenStream> plain, prepared;
            for (size_t i = 0; i < n; i++) plain.push_back(make_stream(int(2 + i * 37 % 301)));
            prepared = plain;
            auto run = [&](const BackendFactory& factory, std::vector<DrivenStream>& streams) {
                std::vector<DrivenStream*> all;
                for (DrivenStream& stream : streams) all.push_back(&stream);
                Driver(factory, hashed.checkpoint, 512).run(all, 6);
            };
            run(make, plain), run(make_prepared, prepared);
            CAPTURE(shape.name);
            CAPTURE(n);
            CHECK(same_streams(prepared, plain));
        }
    }
}

// With fewer tokens to a step than sequences, preparing must stay within the buffers of the former:
// compute-sanitizer sees what does not, and step_stage refuses it.
TEST_CASE("cuda_backend: whatever sequences and tokens a step may have, preparing stays within") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    for (auto [n_sequences, n_tokens] : {std::pair{1024, 64},
                                         {256, 64},
                                         {256, 100},
                                         {65, 64},
                                         {9, 8},
                                         {2, 1},
                                         {1, 1},
                                         {64, 64},
                                         {100, 4096}}) {
        CAPTURE(n_sequences);
        CAPTURE(n_tokens);
        BackendOptions options;
        options.kv_cache_bytes = 16 << 20;
        options.max_sequences = n_sequences;
        options.max_step_tokens = n_tokens;
        auto backend = make(hashed.checkpoint, options);
        CHECK_NOTHROW(while (backend->prepare()){});
        // The last and fullest step of decode still is one.
        const int n = std::min({n_sequences, n_tokens, 64});
        Batch batch;
        const SamplingParams greedy = greedy_with_logprobs();
        for (int i = 0; i < n; i++) {
            BatchSequence row;
            row.lane = n_sequences - 1 - i, row.run = uint64_t(i) + 1;
            row.query_begin = row.block_table_begin = i;
            row.n_query = row.n_context = 1;
            row.sampling = &greedy;
            batch.tokens.push_back(7), batch.positions.push_back(0);
            batch.slots.push_back(i * 16), batch.block_tables.push_back(i);
            batch.sequences.push_back(row);
        }
        StepResult result;
        backend->step(batch, result);
        REQUIRE(result.samples.size() == size_t(n));
        for (const SampledToken& sample : result.samples)
            CHECK(sample.token == result.samples[0].token);
    }
}

TEST_CASE("cuda_backend: by default the pool takes the share of the GPU that it is given") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    BackendOptions options;
    options.memory_share = 0.5;
    const BackendInfo planned = plan_cuda_backend(*hashed.checkpoint, 0, options);
    const BackendInfo made = make(hashed.checkpoint, options)->info();
    CHECK(made.weight_bytes == planned.weight_bytes);
    CHECK(made.n_blocks == planned.n_blocks);
    size_t free = 0, total = 0;
    REQUIRE(cudaMemGetInfo(&free, &total) == cudaSuccess);
    const double pool = double(made.n_blocks) * made.block_size * double(made.kv_bytes_per_token);
    if (free > total * 6 / 10) {  // nobody else has any
        CHECK(pool > 0.4 * double(total));
        CHECK(pool < 0.5 * double(total));
    }
    options.memory_share = 0.9;
    CHECK(make(hashed.checkpoint, options)->info().n_blocks > made.n_blocks);
}

TEST_CASE("cuda_backend: f16 and f32 checkpoints are rounded to nearest even") {
    for (const HashedShape& shape : golden_shapes())
        for (DType type : {DType::f16, DType::f32})
            check_stored_type(make, shape, type, DType::bf16);
}

TEST_CASE("cuda_backend: a KV cache larger than the device is refused with both numbers") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    BackendOptions options;
    options.kv_cache_bytes = size_t(1) << 50;
    CHECK_THROWS_WITH_AS(make(hashed.checkpoint, options), doctest::Contains("1073741824 MiB"),
                         LoadError);
}
