// What is known of a device belongs to that device; and shapes that no kernel is made for are
// refused before anything is launched.

#include "gpu/attention/attention.h"
#include "gpu/elementwise/elementwise.h"
#include "gpu/linear/choice.h"
#include "gpu/sampling/sample.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

TEST_CASE("device: what is chosen follows the device that is given, not the process") {
    const Device old{0, 8, false}, hopper{1, 9, true}, plain_build{2, 9, false};
    CHECK(&prefill_attention(hopper) == &kPrefillWgmmaSm90);
    CHECK(&prefill_attention(old) == &kPrefillMma);
    CHECK(&prefill_attention(plain_build) == &kPrefillMma);
    CHECK(plain_build.has_clusters());
    CHECK_FALSE(old.has_clusters());
    CHECK_FALSE(can_fuse_o_proj(old, {14, 2, 64}, 896));
    CHECK(use_device(0).compute_major == test_device().compute_major);
}

TEST_CASE("device: products are chosen by the kind of weights and the number of rows") {
    const auto dense = LinearKind::dense;
    const ProductChoice hopper({1, 9, true}, 896, false), large({1, 9, true}, 3584, false);
    CHECK(hopper.fused(dense, 1) == &kSkinnyMma);
    CHECK(hopper.fused(dense, kSkinnyRows) == &kSkinnyMma);
    CHECK(hopper.fused(dense, kSkinnyRows + 1) == &kWgmmaSm90);
    CHECK(hopper.fused(dense, 256) == &kWgmmaSm90);
    CHECK(hopper.fused(dense, 257) == nullptr);
    CHECK(large.fused(dense, 65) == nullptr);
    const ProductChoice old({0, 8, false}, 896, false);
    CHECK(old.fused(dense, kSkinnyRows) == &kSkinnyMma);
    CHECK(old.fused(dense, kSkinnyRows + 1) == nullptr);
    for (int n : {1, 8, 9, 5000}) {
        CHECK(ProductChoice({1, 9, true}, 896, true).fused(dense, n) == &kWgmmaSm90);
        CHECK(ProductChoice({0, 8, false}, 896, true).fused(dense, n) == &kSkinnyMma);
    }
    CHECK_THROWS_AS(hopper.fused(LinearKind(99), 1), BackendFault);
    CHECK_THROWS_AS(qwend::dense({LinearKind(99), nullptr, 64, 64}), BackendFault);
    CHECK_FALSE(device_lost());
}

TEST_CASE("device: no kernel is launched for a shape that it is not made for") {
    const Stream& s = test_stream();
    const auto refused = [](auto launch) { CHECK_THROWS_AS(launch(), BackendFault); };
    refused([&] { rmsnorm(nullptr, nullptr, nullptr, 0, 1, 30, nullptr, s); });
    refused([&] { glu(Activation::silu, nullptr, 0, 64, nullptr, s); });
    EmbedArgs embedding{};
    embedding.n = 1, embedding.width = 36, embedding.head_dim = 64;
    refused([&] { embed(embedding, s); });
    QkvArgs qkv{};
    qkv.weights = DenseWeights{nullptr, 64, 64}, qkv.out.shape = {2, 2, 64};
    for (const LinearKernels* kernels : {&kSkinnyMma, &kWgmmaSm90}) {
        refused([&] { kernels->add(DenseWeights{nullptr, 40, 64}, nullptr, {}, 1, s); });
        refused([&] { kernels->partial(DenseWeights{nullptr, 40, 64}, nullptr, nullptr, 1, s); });
        refused([&] {
            kernels->gate_up(DenseWeights{nullptr, 64, 48}, {}, Activation::silu, nullptr, 1, s);
        });
        refused([&] { kernels->logits(DenseWeights{nullptr, 64, 64}, {}, nullptr, 0, s); });
        refused([&] { kernels->qkv(qkv, 1, s); });
    }
    refused([&] { add_partial_sums({{}, kMaxRanks + 1}, {}, 8, 1, 64, s); });
    refused([&] { add_partial_sums({{}, 1}, {}, 8, 1, 40, s); });
    DecodeAttentionArgs decode{};
    decode.n = 1, decode.shape = {9, 1, 64};
    refused([&] { decode_attention_batched(decode, s); });
    refused([&] { decode_attention_split_kv_sm90(decode, s); });
    refused([&] {
        decode_attention_o_proj_14x64_sm90(decode, DenseWeights{nullptr, 896, 896}, {}, s);
    });
    PrefillAttentionArgs prefill{};
    prefill.n_tiles = 1, prefill.n_blocks = 1, prefill.shape = {4, 2, 96};
    refused([&] { kPrefillMma.attend(prefill, s); });
    refused([&] { kPrefillWgmmaSm90.attend(prefill, s); });
    SampleArgs sample{};
    sample.n = 1, sample.n_valid = 10, sample.width = 8;
    refused([&] { sample_rows(sample, s); });
    CHECK_FALSE(device_lost());
}
