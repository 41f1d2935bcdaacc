// Quantised matrices as a device has them, read back by somebody who knows the layout alone.

#include "model/packed_linear.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/gguf/blocks.h"
#include "model/quantized/find_blocks.h"
#include "tests/unit/gguf_blocks.h"
#include "tests/unit/quantized_layers.h"

using namespace qwend;

namespace {

/// A linear layer of one code a byte and f32 scales, in memory.
struct InMemory {
    StoredLinear linear;
    std::vector<uint8_t> codes;  // as the file has them
    std::vector<int8_t> zeros;
    std::vector<float> scales;

    InMemory(int n, int k, int group, float scale) {
        linear.kind = LinearKind::int8;
        linear.n = n, linear.k = k;
        linear.quantized = QuantizedParts{};
        linear.quantized->name = "the layer";
        linear.quantized->scale_name = "weight_scale";
        linear.quantized->group = group;
        codes.assign(size_t(n * k), 0);
        scales.assign(size_t(n * k / group), scale), zeros.assign(scales.size(), 0);
    }
    QuantizedView view() const {
        auto bytes = [](const auto& of) { return reinterpret_cast<const std::byte*>(of.data()); };
        return {&linear,
                {DType::other, {linear.n, linear.k}, bytes(codes), codes.size()},
                {DType::f32, {}, bytes(scales), scales.size() * sizeof(float)},
                TensorView{DType::other, {}, bytes(zeros), zeros.size()}};
    }
};

/// The code of an output and input, by the layout's description: its tile, the lane, the pair.
int code_at(LinearKind kind, const uint8_t* codes, int k, int output, int input) {
    const bool is_int4 = kind == LinearKind::int4;
    const int chunk = is_int4 ? 128 : 64, in_chunk = input % chunk;
    const int step = in_chunk / 16, in_step = in_chunk % 16;
    const int lane = output % 8 * 4 + in_step % 8 / 2, second = in_step % 2, upper = in_step / 8;
    const uint8_t* sixteen = codes + (output / 8 * (k / chunk) + input / chunk) * 512 + lane * 16;
    if (!is_int4) return sixteen[step * 4 + upper * 2 + second];
    const int nibble = second * 4 + step % 2 * 2 + upper;
    const int byte = sixteen[step / 2 * 4 + nibble / 2];
    return nibble % 2 ? byte >> 4 : byte & 15;
}

/// Packs some outputs into memory that is no longer, and compares with what the tool has packed.
void check_packed_rows(const QuantizedView& view, const QuantizedLinear& made, int first, int n) {
    CAPTURE(first);
    CAPTURE(n);
    const LinearKind kind = view.linear->kind;
    const PackedShape shape{kind, n, made.k, view.linear->quantized->group};
    std::vector<uint8_t> codes(packed_code_bytes(shape));
    std::vector<uint32_t> scales(packed_scale_bytes(shape) / 4);
    const size_t row_bytes = size_t(made.k) / (kind == LinearKind::int4 ? 2 : 1);
    REQUIRE(codes.size() == size_t(n) * row_bytes);
    REQUIRE(scales.size() == size_t(n * made.n_groups()));
    pack_rows(view, first, n, reinterpret_cast<std::byte*>(codes.data()), scales.data());
    int n_wrong = 0;
    for (int row = 0; row < n; row++) {
        for (int input = 0; input < made.k; input++)
            n_wrong +=
                code_at(kind, codes.data(), made.k, row, input) != made.code(first + row, input);
        for (int group = 0; group < made.n_groups(); group++) {
            const uint32_t found =
                scales[size_t((row / 8 * made.n_groups() + group) * 8 + row % 8)];
            const size_t from = made.place((first + row) / made.rows, group);
            if (kind == LinearKind::fp8) {
                n_wrong += found != std::bit_cast<uint32_t>(made.scales[from]);
                continue;
            }
            n_wrong += uint16_t(found) != float_to_half(made.scales[from]);
            n_wrong += bf16_to_float(uint16_t(found >> 16)) != float(made.zeros[from]);
        }
    }
    CHECK(n_wrong == 0);
}

/// A scale as it is packed.
uint16_t packed_scale(float scale) {
    const InMemory made(8, 128, 128, scale);
    std::byte codes[8 * 128];
    uint32_t found[8];
    pack_rows(made.view(), 0, 8, codes, found);
    return uint16_t(found[3]);
}

}  // namespace

TEST_CASE("packed_linear: every format's codes, scales and zeros are where a device looks") {
    for_quantized_layers([](const QuantizedView& view, const QuantizedLinear& tool) {
        const int n_rows = view.linear->n;
        CHECK(check_packed("a layer", packed_shape(*view.linear)) == "");
        for (auto [first, n] : {std::pair{0, n_rows}, {n_rows - 8, 8}, {8, 72}, {64, 64}})
            check_packed_rows(view, tool, first, n);
    });
}

TEST_CASE("packed_linear: GGUF's types stand for what they do in groups that a device takes") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr int kRows = 8, kInputs = 512;
    for (const BlockTwin& twin : block_twins()) {
        CAPTURE(std::string(twin.name));
        std::string blocks;
        for (int i = 0; i < kRows * kInputs / twin.n_weights; i++)
            blocks += twin.random_block(random, 0.05f);
        StoredTensor matrix;
        matrix.shape = {kRows, kInputs}, matrix.blocks = find_block_format(twin.name);
        const StoredLinear linear = linear_of_blocks(matrix, "a layer");
        QuantizedView view;
        view.linear = &linear;
        view.codes = {
            DType::other, {}, reinterpret_cast<const std::byte*>(blocks.data()), blocks.size()};
        const PackedShape shape = packed_shape(linear);
        CHECK(check_packed("a layer", shape) == "");
        CHECK(shape.group == 32);
        CHECK((shape.kind == LinearKind::int4) == (twin.name == std::string("Q4_0")));
        std::vector<uint8_t> codes(packed_code_bytes(shape));
        std::vector<uint32_t> scales(packed_scale_bytes(shape) / 4);
        pack_rows(view, 0, kRows, reinterpret_cast<std::byte*>(codes.data()), scales.data());
        const auto expected = twin.weights_of(blocks);
        for (int row = 0; row < kRows; row++)
            for (int group = 0; group < kInputs / 32; group++) {
                const uint32_t both = scales[size_t(group * kRows + row)];
                const double scale = half_to_float(uint16_t(both));
                const double zero = bf16_to_float(uint16_t(both >> 16));
                double error = 0, low = 0, high = 0;
                for (int i = 0; i < 32; i++) {
                    const int input = group * 32 + i;
                    const double w = expected[size_t(row * kInputs + input)];
                    const int code = code_at(shape.kind, codes.data(), kInputs, row, input);
                    error = std::max(error, std::fabs((code - zero) * scale - w));
                    low = std::min(low, w), high = std::max(high, w);
                }
                // Most of Q3_K, whose eight codes of a group may be few of them: a 32nd of a step.
                CHECK(error <= (high - low) / 80 + 1e-6);
            }
    }
}

TEST_CASE("packed_linear: every code and every zero") {
    constexpr int kRows = 8, kInputs = 256;
    InMemory made(kRows, kInputs, 128, 0.5f);
    std::vector<uint8_t> codes(kRows * kInputs);
    std::vector<uint32_t> scales(kRows * 2);
    for (int shift = 0; shift < 256; shift++) {
        for (size_t i = 0; i < codes.size(); i++)
            made.codes[i] = uint8_t((int(i) + shift + 128) & 255);
        for (size_t i = 0; i < scales.size(); i++)
            made.zeros[i] = int8_t((shift + int(i)) % 256 - 128);
        pack_rows(made.view(), 0, kRows, reinterpret_cast<std::byte*>(codes.data()), scales.data());
        int n_wrong = 0;
        for (int i = 0; i < kRows * kInputs; i++)
            n_wrong += code_at(LinearKind::int8, codes.data(), kInputs, i / kInputs, i % kInputs) !=
                       ((i + shift) & 255);
        for (int i = 0; i < kRows * 2; i++)
            n_wrong += bf16_to_float(uint16_t(scales[size_t(i % 2 * kRows + i / 2)] >> 16)) !=
                       float((shift + i) % 256);
        CHECK(n_wrong == 0);
    }
}

TEST_CASE("packed_linear: scales are rounded to the nearest half, those between to the even one") {
    for (uint32_t half = 0; half < 0x7BFF; half++) {
        const float value = half_to_float(uint16_t(half)), next = half_to_float(uint16_t(half + 1));
        const float between = (value + next) / 2;  // exact
        const bool good = packed_scale(value) == half && packed_scale(-value) == (half | 0x8000) &&
                          packed_scale(between) == (half % 2 ? half + 1 : half) &&
                          packed_scale(std::nextafter(between, 0.0f)) == half &&
                          packed_scale(std::nextafter(between, 1e9f)) == half + 1;
        if (!good) FAIL("half " << half);
    }
    CHECK(packed_scale(65504) == 0x7BFF);
    CHECK(packed_scale(std::nextafter(65520.0f, 0.0f)) == 0x7BFF);
    CHECK(packed_scale(1e-30f) == 0);
}

TEST_CASE("packed_linear: scales that a half does not hold are refused with their tensor") {
    for (float scale : {65520.0f, -65520.0f, 65536.0f, 1e30f})
        CHECK_THROWS_WITH_AS(packed_scale(scale),
                             doctest::Contains("the layer.weight_scale: expected numbers below "),
                             LoadError);
    CHECK_THROWS_WITH_AS(packed_scale(INFINITY), doctest::Contains("expected finite numbers"),
                         LoadError);
}

TEST_CASE("packed_linear: shapes that a device does not take are refused by name") {
    constexpr auto int4 = LinearKind::int4;
    for (auto [k, group] : {std::pair{128, 32}, {896, 896}, {4864, 64}, {8960, 128}, {384, 384}})
        CHECK(check_packed("up", {int4, 8, k, group}) == "");
    for (int k : {64, 32, 192, 130})
        CHECK(check_packed("up", {int4, 8, k, 32}) ==
              "up: expected inputs that are a multiple of 128, found " + std::to_string(k));
    CHECK(check_packed("up", {int4, 8, 1 << 21, 32}) ==
          "up: expected at most 65536 inputs, found 2097152");
    for (int group : {16, 48, 8, 160, 96, 512})
        CHECK(check_packed("up", {int4, 8, 256, group}) ==
              "up: expected groups of 32, 64, 128 inputs and so on that divide 256, or one of all, "
              "found " +
                  std::to_string(group));
    CHECK(check_packed("up", {int4, 12, 256, 32}) ==
          "up: expected outputs that are a multiple of 8, found 12");
}
