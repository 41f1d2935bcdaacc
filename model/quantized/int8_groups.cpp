#include "model/quantized/int8_groups.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace qwend {

namespace {

constexpr int kInputs = 32, kMiddle = 128;

/// What becomes a group: one, or two shorter ones.
struct Inputs {
    uint8_t* codes;  // (32)
    const float *scales, *zeros;
    int group;

    float weight(int i) const { return (float(codes[i]) - zeros[i / group]) * scales[i / group]; }
    void encode(float scale, float zero) const {
        for (int i = 0; i < kInputs; i++) {
            const float code = scale == 0 ? zero : std::nearbyint(weight(i) / scale + zero);
            codes[i] = uint8_t(std::clamp(code, 0.0f, 255.0f));
        }
    }
};

/// Two groups of codes about the middle; those of int4 are in the upper half of int8's bits then.
void merge_symmetric(const Inputs& pair, LinearKind kind, float& scale, float& zero) {
    const bool is_first = std::fabs(pair.scales[0]) >= std::fabs(pair.scales[1]);
    const float larger = pair.scales[is_first ? 0 : 1];
    const float merged = kind == LinearKind::int4 ? larger / 16 : larger;
    pair.encode(merged, kMiddle);
    scale = merged, zero = kMiddle;
}

void cover_range(const Inputs& inputs, float& scale, float& zero) {
    float low = 0, high = 0;  // so that there is a zero among the codes
    for (int i = 0; i < kInputs; i++) {
        low = std::min(low, inputs.weight(i));
        high = std::max(high, inputs.weight(i));
    }
    const float merged = (high - low) / 255;
    const float of_zero = merged == 0 ? 0 : std::nearbyint(-low / merged);
    inputs.encode(merged, of_zero);
    scale = merged, zero = of_zero;
}

}  // namespace

bool needs_int8_groups(const QuantizedParts& parts) {
    return parts.packing == CodePacking::blocks &&
           (parts.group < kInputs || parts.zero_points == ZeroPoints::numbers);
}

void make_int8_groups(const StoredLinear& linear, int n_rows, uint8_t* codes, float* scales,
                      float* zeros) {
    const QuantizedParts& parts = *linear.quantized;
    const int n = n_rows * (linear.k / kInputs), n_short = kInputs / parts.group;
    for (ptrdiff_t i = 0; i < n; i++) {
        const Inputs inputs{codes + i * kInputs, scales + i * n_short, zeros + i * n_short,
                            parts.group};
        if (parts.has_zeros())
            cover_range(inputs, scales[i], zeros[i]);
        else
            merge_symmetric(inputs, linear.kind, scales[i], zeros[i]);
    }
}

}  // namespace qwend
