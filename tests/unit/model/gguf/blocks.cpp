// Blocks of GGUF's quantised types against their description in double, and against another reader.

#include "model/gguf/blocks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "model/json.h"
#include "model/quantized/find_blocks.h"
#include "model/quantized/unpack.h"
#include "tests/unit/gguf_blocks.h"

using namespace qwend;

namespace {

const std::byte* bytes_of(const std::string& text) {
    return reinterpret_cast<const std::byte*>(text.data());
}

/// The weights of blocks by the one form, in double.
std::vector<double> by_codes(const BlockFormat& format, const std::string& blocks) {
    std::vector<double> weights;
    std::vector<uint8_t> codes(size_t(format.n_weights));
    std::vector<float> scales(size_t(format.n_groups())), zeros(scales.size());
    for (size_t at = 0; at < blocks.size(); at += size_t(format.n_bytes)) {
        format.codes(bytes_of(blocks) + at, codes.data());
        format.scales(bytes_of(blocks) + at, scales.data(), zeros.data());
        for (size_t i = 0; i < codes.size(); i++) {
            CHECK((codes[i] < 16 || format.kind == LinearKind::int8));
            const size_t group = i / size_t(format.group);
            weights.push_back((codes[i] - double(zeros[group])) * double(scales[group]));
        }
    }
    return weights;
}

/// Within so much of the largest in magnitude of what a group has in common: zeros are rounded.
void check_near(const std::vector<double>& found, const std::vector<double>& expected,
                double bound) {
    REQUIRE(found.size() == expected.size());
    double most = 0, error = 0;
    for (double w : expected) most = std::max(most, std::fabs(w));
    for (size_t i = 0; i < found.size(); i++)
        error = std::max(error, std::fabs(found[i] - expected[i]));
    CHECK(error <= bound * most);
}

}  // namespace

TEST_CASE("gguf/blocks: every type is what its description makes of it, in double") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (const BlockTwin& twin : block_twins()) {
        CAPTURE(twin.name);
        const BlockFormat* format = find_block_format(twin.name);
        REQUIRE(format);
        CHECK(format->n_weights == twin.n_weights);
        CHECK(format->n_bytes == twin.n_bytes);
        CHECK(gguf_type_name(twin.type) == twin.name);
        for (int round = 0; round < 50; round++) {
            std::string blocks;
            for (int i = 0; i < 4; i++) blocks += twin.random_block(random, 0.05f);
            const auto expected = twin.weights_of(blocks);
            // What has no zeros of its own is exact.
            check_near(by_codes(*format, blocks), expected, format->has_zeros ? 1e-6 : 0);
            std::vector<float> floats(expected.size());
            blocks_to_float(*format, bytes_of(blocks), 4, floats.data());
            check_near({floats.begin(), floats.end()}, expected, 1e-6);
        }
    }
    CHECK(find_block_format("IQ4_XS") == nullptr);
    CHECK(gguf_type_name(23) == "IQ4_XS");
    CHECK(gguf_type_name(99) == "type 99");
}

TEST_CASE("gguf/blocks: a group without a scale is what is taken from it") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (const char* name : {"Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"}) {
        CAPTURE(name);
        const BlockTwin& twin = block_twin(name);
        const BlockFormat& format = *find_block_format(name);
        for (float minimum : {0.25f, -0.25f, 0.0f})
            for (float scale : {0.0f, -0.0f, 0x1p-24f}) {  // and the smallest that a half has
                std::string block = twin.random_block(random, 0.05f);
                const auto put = [&](int at, uint16_t bits) {
                    std::memcpy(&block[size_t(at)], &bits, 2);
                };
                put(twin.halves[0], scale == 0 ? uint16_t(std::signbit(scale) ? 0x8000 : 0) : 1);
                put(twin.halves[1], float_to_half(minimum));
                check_near(by_codes(format, block), twin.weights_of(block), 1e-6);
            }
        // Some groups without, beside others that have one.
        std::string block = twin.random_block(random, 0.05f);
        if (twin.n_weights == 32) continue;
        const size_t packed = name == std::string("Q2_K") ? 0 : 4;
        for (size_t i = 0; i < 3; i++)
            block[packed + i] = char(block[packed + i] & (packed ? 0xC0 : 0xF0));
        check_near(by_codes(format, block), twin.weights_of(block), 1e-6);
    }
}

TEST_CASE("gguf/blocks: blocks are those of the gguf package") {
    const JsonFile golden(std::filesystem::path("tests/golden/gguf_blocks.json"));
    int n = 0;
    for (auto [key, value] : golden.root()) {
        const std::string name(key);
        CAPTURE(name);
        const std::string_view hex = value["bytes"].get_string().value();
        std::string blocks;
        for (size_t i = 0; i < hex.size(); i += 2)
            blocks += char(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
        std::vector<double> expected;
        for (auto weight : value["weights"].get_array())
            expected.push_back(weight.get_double().value());
        const BlockFormat* format = find_block_format(name);
        REQUIRE(format);
        check_near(by_codes(*format, blocks), expected, 1e-6);
        n++;
    }
    CHECK(n == int(block_twins().size()));
}

TEST_CASE("gguf/blocks: layers of one input are made alike without a change of their weights") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr int kRows = 3, kInputs = 512;
    for (const BlockTwin& one : block_twins())
        for (const BlockTwin& other : block_twins()) {
            CAPTURE(one.name);
            CAPTURE(other.name);
            std::vector<StoredLinear> layers;
            std::vector<std::string> blocks;
            for (const BlockTwin* twin : {&one, &other}) {
                StoredTensor matrix;
                matrix.shape = {kRows, kInputs}, matrix.blocks = find_block_format(twin->name);
                layers.push_back(linear_of_blocks(matrix, "a layer"));
                std::string all;
                for (int i = 0; i < kRows * kInputs / twin->n_weights; i++)
                    all += twin->random_block(random, 0.05f);
                blocks.push_back(std::move(all));
            }
            make_blocks_alike({&layers[0], &layers[1]});
            CHECK(layers[0].kind == layers[1].kind);
            CHECK(layers[0].quantized->group == layers[1].quantized->group);
            for (size_t i = 0; i < 2; i++) {
                const BlockTwin& twin = i == 0 ? one : other;
                QuantizedView view;
                view.linear = &layers[i];
                view.codes = {DType::other, {}, bytes_of(blocks[i]), blocks[i].size()};
                const auto group = size_t(layers[i].quantized->group);
                std::vector<uint8_t> codes(kRows * kInputs);
                std::vector<float> scales(codes.size() / group), zeros(scales.size());
                CHECK(unpack_rows(view, 0, kRows, codes.data(), scales.data(), zeros.data()));
                std::vector<double> found;
                for (size_t j = 0; j < codes.size(); j++) {
                    if (!layers[i].quantized->has_zeros())
                        CHECK(zeros[j / group] == (layers[i].kind == LinearKind::int4 ? 8 : 128));
                    found.push_back((codes[j] - double(zeros[j / group])) *
                                    double(scales[j / group]));
                }
                check_near(found, twin.weights_of(blocks[i]), 1e-6);
            }
        }
}

TEST_CASE("gguf/blocks: a scale that is no number is refused with its tensor and place") {
    std::mt19937 random(1);
    for (const BlockTwin& twin : block_twins())
        for (size_t half = 0; half < twin.halves.size(); half++) {
            CAPTURE(twin.name);
            StoredTensor matrix;
            matrix.shape = {2, 512}, matrix.blocks = find_block_format(twin.name);
            const StoredLinear layer =
                linear_of_blocks(matrix, "m.gguf: tensor blk.0.attn_q.weight");
            std::string blocks;
            for (int i = 0; i < 1024 / twin.n_weights; i++) blocks += twin.random_block(random, 1);
            const size_t last = blocks.size() - size_t(twin.n_bytes);
            blocks[last + size_t(twin.halves[half])] = 0;
            blocks[last + size_t(twin.halves[half]) + 1] = 0x7C;  // infinity
            QuantizedView view;
            view.linear = &layer, view.codes = {DType::other, {}, bytes_of(blocks), blocks.size()};
            std::vector<uint8_t> codes(1024);
            std::vector<float> scales(1024), zeros(1024);
            CHECK(!unpack_rows(view, 0, 2, codes.data(), scales.data(), zeros.data()));
            CHECK(unpack_rows(view, 0, 1, codes.data(), scales.data(), zeros.data()));
            CHECK_THROWS_WITH_AS(
                refuse_numbers(view),
                doctest::Contains("blk.0.attn_q.weight: expected finite scales, found"), LoadError);
            CHECK_THROWS_WITH_AS(refuse_numbers(view), doctest::Contains("for row 1 at input "),
                                 LoadError);
        }
}
