// Groups of 16 inputs made groups of 32.

#include "model/quantized/wider_groups.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using namespace qwend;

namespace {

constexpr int kInputs = 64, kRows = 3;

struct Rows {
    StoredLinear linear;
    std::vector<uint8_t> codes;
    std::vector<float> scales, zeros;

    Rows(LinearKind kind, bool has_zeros, unsigned seed) : codes(kRows * kInputs) {
        linear = {kind, kRows, kInputs, {}, {}, QuantizedParts{}};
        linear.quantized->group = 16;
        linear.quantized->zero_points = has_zeros ? ZeroPoints::numbers : ZeroPoints::middle;
        std::mt19937 random(seed);
        const bool is_int4 = kind == LinearKind::int4;
        for (uint8_t& code : codes) code = uint8_t(random() % (is_int4 ? 16 : 256));
        for (int i = 0; i < kRows * kInputs / 16; i++) {
            scales.push_back((float(random() % 1000) - 500) * 1e-4f);
            zeros.push_back(has_zeros ? float(random() % 1600) * 1e-2f : is_int4 ? 8 : 128);
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

TEST_CASE("quantized/wider_groups: weights stay where they are, within a step of int8") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (LinearKind kind : {LinearKind::int4, LinearKind::int8})
        for (bool has_zeros : {false, true}) {
            CAPTURE(int(kind));
            CAPTURE(has_zeros);
            Rows rows(kind, has_zeros, seed);
            const auto before = rows.weights(16);
            const auto scales = rows.scales;
            widen_groups(rows.linear, kRows, rows.codes.data(), rows.scales.data(),
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
                      (has_zeros ? 1 : 2) * (high - low) / 250 + 1e-9);
                const bool is_first =
                    std::fabs(scales[2 * group]) >= std::fabs(scales[2 * group + 1]);
                if (!has_zeros) CHECK(error[is_first ? 0 : 1] <= (high - low) * 1e-6);
                CHECK(rows.zeros[group] == std::nearbyint(rows.zeros[group]));
            }
        }
}
