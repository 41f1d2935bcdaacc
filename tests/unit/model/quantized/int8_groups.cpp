// Groups of 16 or 32 inputs made groups of 32 with integers as zeros.

#include "model/quantized/int8_groups.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

using namespace qwend;

namespace {

constexpr int kInputs = 64, kRows = 3;

struct Rows {
    StoredLinear linear;
    std::vector<uint8_t> codes;
    std::vector<float> scales, zeros;

    Rows(LinearKind kind, bool has_zeros, int group, unsigned seed) : codes(kRows * kInputs) {
        linear = {kind, kRows, kInputs, {}, {}, QuantizedParts{}};
        linear.quantized->packing = CodePacking::blocks;
        linear.quantized->group = group;
        linear.quantized->zero_points = has_zeros ? ZeroPoints::numbers : ZeroPoints::middle;
        std::mt19937 random(seed);
        const bool is_int4 = kind == LinearKind::int4;
        for (uint8_t& code : codes) code = uint8_t(random() % (is_int4 ? 16 : 256));
        for (int i = 0; i < kRows * kInputs / group; i++) {
            scales.push_back((float(random() % 1000) - 500) * 1e-4f);
            // Now and then far from all codes.
            const float unit = random() % 4 == 0 ? 1 : 1e-2f;
            zeros.push_back(has_zeros ? float(random() % 1600) * unit : is_int4 ? 8 : 128);
        }
        scales[0] = scales[1] = scales[2] = 0;  // a pair, and one of two
    }
    std::vector<double> weights(int group) const {
        std::vector<double> all;
        for (size_t i = 0; i < codes.size(); i++)
            all.push_back((codes[i] - double(zeros[i / size_t(group)])) *
                          double(scales[i / size_t(group)]));
        return all;
    }
};

}  // namespace

TEST_CASE("quantized/int8_groups: weights stay where they are, within a step of int8") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (LinearKind kind : {LinearKind::int4, LinearKind::int8})
        for (auto of : {std::pair{false, 16}, {true, 16}, {true, 32}}) {
            const bool has_zeros = of.first;  // clang 14 captures no names of a binding
            const int stored = of.second;
            CAPTURE(int(kind));
            CAPTURE(has_zeros);
            CAPTURE(stored);
            Rows rows(kind, has_zeros, stored, seed);
            CHECK(needs_int8_groups(*rows.linear.quantized));
            const auto before = rows.weights(stored);
            const auto scales = rows.scales;
            make_int8_groups(rows.linear, kRows, rows.codes.data(), rows.scales.data(),
                             rows.zeros.data());
            const auto after = rows.weights(32);
            for (size_t group = 0; group < before.size() / 32; group++) {
                double error[2] = {}, low = 0, high = 0;
                for (size_t i = 0; i < 32; i++) {
                    const size_t at = group * 32 + i;
                    error[i / 16] = std::max(error[i / 16], std::fabs(after[at] - before[at]));
                    low = std::min(low, before[at]), high = std::max(high, before[at]);
                }
                // Of codes about the middle half of the range may be unused.
                CHECK(std::max(error[0], error[1]) <=
                      (has_zeros ? 0.52 : 2) * (high - low) / 255 + 1e-9);
                CHECK(rows.zeros[group] == std::nearbyint(rows.zeros[group]));
                if (has_zeros) continue;
                const bool is_first =
                    std::fabs(scales[2 * group]) >= std::fabs(scales[2 * group + 1]);
                CHECK(error[is_first ? 0 : 1] <= (high - low) * 1e-6);
            }
        }
}

TEST_CASE("quantized/int8_groups: only blocks with short groups or numbers as zeros need them") {
    const Rows rows(LinearKind::int4, false, 16, 1);
    QuantizedParts parts = *rows.linear.quantized;
    CHECK(needs_int8_groups(parts));
    parts.group = 32;
    CHECK_FALSE(needs_int8_groups(parts));
    parts.zero_points = ZeroPoints::numbers;
    CHECK(needs_int8_groups(parts));
    parts.packing = CodePacking::bytes;
    CHECK_FALSE(needs_int8_groups(parts));
}
