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
    const Device hopper{1, 9, true}, old{0, 8, false};
    const auto layers = [](const Device& device, int hidden, QuantizedUse use, int n_rows,
                           bool deterministic = false) {
        return ProductChoice(device, hidden, deterministic, use).of_layers(n_rows);
    };
    const QuantizedUse none, wide{true, true}, narrow{true, false};
    using enum ProductWay;
    CHECK(layers(hopper, 896, none, 1) == skinny);
    CHECK(layers(hopper, 896, none, kSkinnyRows) == skinny);
    CHECK(layers(hopper, 896, none, kSkinnyRows + 1) == wgmma);
    CHECK(layers(hopper, 896, none, 256) == wgmma);
    CHECK(layers(hopper, 896, none, 257) == gemm);
    CHECK(layers(hopper, 3584, none, 65) == gemm);
    CHECK(layers(hopper, 3584, wide, 1) == skinny);
    CHECK(layers(hopper, 3584, wide, 65) == wgmma);
    CHECK(layers(hopper, 3584, wide, 5000) == gemm);
    for (const Device& device : {hopper, old}) {
        CHECK(layers(device, 3584, narrow, 16) == skinny);
        CHECK(layers(device, 3584, narrow, 64) == gemm);
    }
    CHECK(layers(old, 896, none, kSkinnyRows) == skinny);
    CHECK(layers(old, 896, none, kSkinnyRows + 1) == gemm);
    for (int n : {1, 8, 9, 5000}) {
        CHECK(layers(hopper, 896, none, n, true) == wgmma);
        CHECK(layers(hopper, 896, wide, n, true) == wgmma);
        CHECK(layers(hopper, 896, narrow, n, true) == skinny);
        CHECK(layers(old, 896, none, n, true) == skinny);
    }
    const ProductChoice of_wide(hopper, 3584, false, wide), of_narrow(hopper, 3584, false, narrow);
    CHECK(of_wide.of_head(LinearKind::dense, 600) == gemm);
    CHECK(of_wide.of_head(LinearKind::int8, 600) == wgmma);
    CHECK(of_narrow.of_head(LinearKind::int8, 600) == skinny);
}

TEST_CASE("device: every way has products of every kind, which refuse other kinds") {
    const auto dense = LinearKind::dense, int4 = LinearKind::int4;
    CHECK(ProductChoice::fused(ProductWay::skinny, dense) == &kSkinnyMma);
    CHECK(ProductChoice::fused(ProductWay::wgmma, dense) == &kWgmmaSm90);
    CHECK(ProductChoice::fused(ProductWay::skinny, int4) == &kSkinnyPacked);
    CHECK(ProductChoice::fused(ProductWay::wgmma, int4) == &kWgmmaPackedSm90);
    CHECK(ProductChoice::fused(ProductWay::gemm, int4) == nullptr);
    const uint32_t scales[1] = {};
    const LinearWeights unknown{LinearKind(99), nullptr, 128, 128, scales, 128};
    CHECK_THROWS_AS(qwend::dense(unknown), BackendFault);
    for (const LinearKernels* kernels :
         {&kSkinnyMma, &kWgmmaSm90, &kSkinnyPacked, &kWgmmaPackedSm90})
        CHECK_THROWS_AS(kernels->add(unknown, nullptr, {}, 1, test_stream()), BackendFault);
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
