// Rows of numbers as codes, scales and zeros: what is lost of each weight, and of all.

#include "model/quantized/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/dequantized.h"

using namespace qwend;

namespace {

constexpr LinearKind kKinds[] = {LinearKind::int8, LinearKind::fp8, LinearKind::int4};

struct Quantized {
    int group;
    bool good;
    std::vector<uint8_t> codes;
    std::vector<float> scales, weights;
    std::vector<float> zeros;

    Quantized(LinearKind kind, const std::vector<float>& row, int group_size) : group(group_size) {
        const int k = int(row.size()), n_groups = (k + group - 1) / group;
        codes.resize(row.size());
        scales.resize(size_t(n_groups)), zeros.resize(size_t(n_groups));
        good = quantize_row(kind, row.data(), k, group, codes.data(), scales.data(), zeros.data());
        if (good) weights = dequantized(kind, 1, k, group, codes, scales, zeros);
    }
    float scale_at(size_t i) const { return scales[i / size_t(group)]; }
    int zero_at(size_t i) const { return zeros[i / size_t(group)]; }
};

/// Half a step of a kind there, with what f32 itself may be off by.
double half_step(LinearKind kind, const Quantized& made, size_t i) {
    const double scale = made.scale_at(i), slack = 1 + 1e-4;
    if (kind != LinearKind::fp8) return 0.5 * slack * scale;
    const double magnitude = std::fabs(e4m3_value(made.codes[i]));
    const int exponent = magnitude > 0 ? std::max(std::ilogb(magnitude), -6) : -6;
    return 0.5 * slack * scale * std::ldexp(1.0, exponent - 3);
}

/// Whether a weight may be off by more, since it lies beyond the codes.
bool is_cut_off(LinearKind kind, const Quantized& made, float weight, size_t i) {
    if (kind != LinearKind::int4) return false;
    const double low = -made.zero_at(i) * double(made.scale_at(i));
    const double high = (15 - made.zero_at(i)) * double(made.scale_at(i));
    return weight < low || weight > high;
}

void check_row(LinearKind kind, const std::vector<float>& row, int group) {
    CAPTURE(int(kind));
    CAPTURE(group);
    const Quantized made(kind, row, group);
    REQUIRE(made.good);
    int n_far = 0, n_odd = 0;
    for (size_t i = 0; i < row.size(); i++) {
        const double off = std::fabs(double(row[i]) - double(made.weights[i]));
        n_far += off > half_step(kind, made, i) && !is_cut_off(kind, made, row[i], i);
        n_odd += kind == LinearKind::int4 && (made.codes[i] > 15 || made.zero_at(i) > 15);
        n_odd += kind == LinearKind::fp8 && (made.codes[i] & 0x7F) == 0x7F;
    }
    CHECK(n_far == 0);
    CHECK(n_odd == 0);
    for (float scale : made.scales) {
        CHECK(std::isfinite(scale));
        CHECK(scale >= 0);
        if (kind != LinearKind::fp8) CHECK(half_to_float(float_to_half(scale)) == scale);
    }
}

/// What int4's search goes by, of the whole range with the nearest zero and of what was found.
std::pair<double, double> weighed_errors(const std::vector<float>& row) {
    const int n = int(row.size());
    const Quantized made(LinearKind::int4, row, n);
    float low = 0, high = 0;
    for (float value : row) low = std::min(low, value), high = std::max(high, value);
    const double scale = (double(high) - low) / 15, zero = std::round(-low / scale);
    double plain = 0, found = 0;
    for (int i = 0; i < n; i++) {
        const double value = row[size_t(i)];
        const double code = std::clamp(std::round(value / scale) + zero, 0.0, 15.0);
        const double off = value - (code - zero) * scale, other = value - made.weights[size_t(i)];
        plain += std::fabs(value) * off * off, found += std::fabs(value) * other * other;
    }
    return {plain, found};
}

}  // namespace

TEST_CASE("quantized/quantize: each weight is within half a step") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const float kTiny = std::numeric_limits<float>::denorm_min();
    for (int round = 0; round < 20; round++)
        for (int k : {1, 7, 32, 96, 256, 1000}) {
            CAPTURE(k);
            const float size = std::ldexp(1.0f, int(random() % 34) - 30);
            std::vector<float> row(static_cast<size_t>(k));
            for (float& value : row) value = size * normal(random);
            auto outlier = row, positive = row, denormal = row;
            outlier[random() % row.size()] *= 500;
            for (float& value : positive) value = std::fabs(value);
            for (float& value : denormal) value = kTiny * float(random() % 1000);
            const std::vector<std::vector<float>> rows = {row,
                                                          outlier,
                                                          positive,
                                                          denormal,
                                                          std::vector<float>(row.size(), row[0]),
                                                          std::vector<float>(row.size(), 0.0f),
                                                          std::vector<float>(row.size(), -0.0f)};
            for (LinearKind kind : kKinds)
                for (const auto& each : rows)
                    for (int group : {k, 32}) check_row(kind, each, std::min(group, k));
        }
}

TEST_CASE("quantized/quantize: zeros stay zeros, and the largest weight what it is") {
    for (LinearKind kind : kKinds) {
        CAPTURE(int(kind));
        for (float zero : {0.0f, -0.0f})
            for (float weight : Quantized(kind, std::vector<float>(64, zero), 32).weights)
                CHECK(weight == 0);
        std::vector<float> row(64, 0.0f);
        row[5] = 0.75f, row[9] = -0.5f;
        const Quantized made(kind, row, 64);
        CHECK(made.weights[0] == 0);
        CHECK(made.weights[5] == doctest::Approx(0.75).epsilon(0.01));
    }
}

TEST_CASE("quantized/quantize: int4's search leaves less than the whole range does") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.03f);
    double plain = 0, found = 0;
    for (int i = 0; i < 200; i++) {
        std::vector<float> row(128);
        for (float& value : row) value = normal(random);
        const auto [of_range, of_search] = weighed_errors(row);
        plain += of_range, found += of_search;
    }
    CHECK(found < 0.98 * plain);
}

/// Sums are in another order, and now and then decide between two scales that are as good.
TEST_CASE("quantized/quantize: as on any CPU") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.03f);
    constexpr int kInputs = 4000, kGroup = 128, kGroups = (kInputs + kGroup - 1) / kGroup;
    std::vector<float> row(kInputs);
    for (float& value : row) value = normal(random);
    for (LinearKind kind : kKinds) {
        const Quantized made(kind, row, kGroup);
        std::vector<uint8_t> codes(kInputs);
        std::vector<float> scales(kGroups);
        std::vector<float> zeros(kGroups);
        CHECK(quantize_row_plainly(kind, row.data(), kInputs, kGroup, codes.data(), scales.data(),
                                   zeros.data()));
        int n_other = 0;
        for (size_t i = 0; i < codes.size(); i++) n_other += codes[i] != made.codes[i];
        CHECK(n_other <= (kind == LinearKind::int4 ? 2 * kGroup : 4));
        const auto weights = dequantized(kind, 1, kInputs, kGroup, codes, scales, zeros);
        double error = 0, twin_error = 0;
        for (size_t i = 0; i < row.size(); i++) {
            error += std::pow(double(row[i]) - double(made.weights[i]), 2);
            twin_error += std::pow(double(row[i]) - double(weights[i]), 2);
        }
        CHECK(error == doctest::Approx(twin_error).epsilon(0.01));
    }
}

TEST_CASE("quantized/quantize: what cannot be quantised is said") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (LinearKind kind : kKinds)
        for (float odd : {std::nanf(""), -std::nanf(""), kInfinity, -kInfinity, kWeightEnd, -1e30f})
            for (size_t at : {0, 50, 99}) {
                std::vector<float> row(100, 1.0f);
                row[at] = odd;
                CHECK_FALSE(Quantized(kind, row, 100).good);
                row[at] = 65535;
                CHECK(Quantized(kind, row, 100).good);
            }
}
