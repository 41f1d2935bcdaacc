// Numbers that are quantised as they are loaded: which, what is said of them, what is refused.

#include "model/quantized/at_load.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "model/cpu/cpu_backend.h"
#include "model/error.h"
#include "model/shard.h"
#include "model/weight_placement.h"
#include "tests/unit/dequantized.h"
#include "tests/unit/quantized_checkpoint.h"

using namespace qwend;

namespace {

constexpr LinearKind kKinds[] = {LinearKind::int8, LinearKind::fp8, LinearKind::int4};

const HashedShape kTied{"tied", 256, 4, 2, 384, true};
const HashedShape kUntied{"untied", 256, 4, 2, 384, false};

std::string refusal_of_loading(const std::filesystem::path& dir, const QuantizeAtLoad& at_load) {
    BackendOptions options;
    options.kv_cache_bytes = 1 << 20, options.max_context = 64;
    try {
        make_cpu_backend(open_checkpoint(dir, at_load), options);
    } catch (const LoadError& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("quantized/at_load: kinds by place") {
    for (LinearKind kind : {LinearKind::dense, LinearKind::int8, LinearKind::fp8})
        for (int layer : {0, 1, 2})
            for (bool is_qkv : {false, true}) CHECK(kind_at_load(kind, {layer, 3, is_qkv}) == kind);
    CHECK(kind_at_load(LinearKind::int4, {0, 3, false}) == LinearKind::int8);
    CHECK(kind_at_load(LinearKind::int4, {1, 3, false}) == LinearKind::int4);
    CHECK(kind_at_load(LinearKind::int4, {1, 3, true}) == LinearKind::int8);
    CHECK(kind_at_load(LinearKind::int4, {2, 3, false}) == LinearKind::int8);
}

TEST_CASE("quantized/at_load: what a checkpoint says of itself") {
    const HashedCheckpoint made(kTied, 3);
    const auto text = [&](const QuantizeAtLoad& at_load) {
        return describe_quantization(open_checkpoint(made.path(), at_load));
    };
    CHECK(text({}) == "");
    CHECK(text({LinearKind::dense, true}) == "head int8, made at load");
    CHECK(text({LinearKind::fp8, false}) == "fp8, made at load");
    CHECK(text({LinearKind::int8, true}) == "int8, head int8, made at load");
    CHECK(text({LinearKind::int4, true}) ==
          "int4 in groups of 128 and int8, head int8, made at load");
    CHECK_FALSE(is_quantized_at_load(made.checkpoint->weights));
    CHECK(is_quantized_at_load(open_checkpoint(made.path(), {LinearKind::dense, true}).weights));
}

TEST_CASE("quantized/at_load: a head of its own, and an embedding that stays as it is") {
    for (const HashedShape& shape : {kTied, kUntied}) {
        const HashedCheckpoint made(shape);
        const Checkpoint at_load = open_checkpoint(made.path(), {LinearKind::dense, true});
        const Weights& weights = at_load.weights;
        CHECK_FALSE(weights.tied);
        CHECK(weights.lm_head.kind == LinearKind::int8);
        CHECK(weights.lm_head.n == kHashedVocab);
        CHECK(weights.lm_head.quantized->name.ends_with(shape.tied ? "model.embed_tokens"
                                                                   : "lm_head"));
        CHECK(weights.embedding.dtype == DType::bf16);
        const WeightPlacement placed(weights, shard_of(at_load.config, 0, 1));
        CHECK(placed.lm_head.data != placed.embedding);
        CHECK(placed.lm_head.scales != 0);
    }
}

TEST_CASE("quantized/at_load: the head of a quantised folder, and never its layers") {
    const QuantizedFormat awq = awq_formats()[0];
    const QuantizedCheckpoint made(kTied, awq, 1);
    const Checkpoint at_load = open_checkpoint(made.path(), {LinearKind::dense, true});
    CHECK(at_load.weights.lm_head.kind == LinearKind::int8);
    CHECK(describe_quantization(at_load) ==
          "awq, 4 bits in groups of 128, head int8, made at load");
    for (LinearKind kind : kKinds)
        CHECK_THROWS_WITH_AS(open_checkpoint(made.path(), {kind, false}),
                             doctest::Contains("expected weights that are not quantised, since "
                                               "they are to be at load, found awq, 4 bits"),
                             LoadError);
}

TEST_CASE("quantized/at_load: numbers of any type, to the same codes") {
    HashedTypes types;
    types.values = DType::bf16;
    for (LinearKind kind : kKinds) {
        std::vector<float> expected;
        for (DType type : {DType::bf16, DType::f32}) {
            types.matrices = type;
            const HashedCheckpoint made(kTied, 3, types);
            const Checkpoint at_load = open_checkpoint(made.path(), {kind, false});
            const auto found = dequantized(at_load.files, at_load.weights.layers[1].down);
            if (expected.empty()) expected = found;
            CHECK(found == expected);
        }
        types.matrices = types.values = DType::f16;
        const HashedCheckpoint made(kTied, 3, types);
        const Checkpoint at_load = open_checkpoint(made.path(), {kind, false});
        const auto found = dequantized(at_load.files, at_load.weights.layers[1].down);
        for (size_t i = 0; i < found.size(); i += 97)
            CHECK(std::fabs(found[i] - expected[i]) < 0.02);
        types.values = DType::bf16;
    }
}

TEST_CASE("quantized/at_load: what is no number is refused by its tensor") {
    HashedTypes types;
    for (auto [odd, word] :
         {std::pair{std::nanf(""), "expected finite numbers, found nan at 700"},
          {std::numeric_limits<float>::infinity(), "expected finite numbers, found inf at 700"},
          {1e6f, "expected numbers below 65,536, to be quantised, found"}}) {
        types.matrices = DType::f32, types.values = DType::f32;
        types.change = [odd = odd](size_t i, float value) { return i == 700 ? odd : value; };
        const HashedCheckpoint made(kTied, 3, types);
        for (LinearKind kind : kKinds) {
            const std::string said = refusal_of_loading(made.path(), {kind, false});
            CHECK(said.find("layers.0.self_attn.q_proj.weight: ") != said.npos);
            CHECK(said.find(word) != said.npos);
        }
    }
}
