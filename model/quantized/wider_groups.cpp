#include "model/quantized/wider_groups.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace qwend {

namespace {

constexpr int kShort = 16, kLong = 32, kMiddle = 128;

/// Two groups that become one.
struct Pair {
    uint8_t* codes;  // (32)
    const float *scales, *zeros;

    float weight(int i) const { return (float(codes[i]) - zeros[i / kShort]) * scales[i / kShort]; }
    void encode(float scale, float zero) const {
        for (int i = 0; i < kLong; i++) {
            const float code = scale == 0 ? zero : std::nearbyint(weight(i) / scale + zero);
            codes[i] = uint8_t(std::clamp(code, 0.0f, 255.0f));
        }
    }
};

/// Codes about the middle; those of int4 are in the upper half of int8's bits then.
void merge_symmetric(const Pair& pair, LinearKind kind, float& scale, float& zero) {
    const bool is_first = std::fabs(pair.scales[0]) >= std::fabs(pair.scales[1]);
    const float larger = pair.scales[is_first ? 0 : 1];
    const float merged = kind == LinearKind::int4 ? larger / 16 : larger;
    pair.encode(merged, kMiddle);
    scale = merged, zero = kMiddle;
}

void merge_ranges(const Pair& pair, float& scale, float& zero) {
    float low = 0, high = 0;  // so that there is a zero among the codes
    for (int i = 0; i < kLong; i++) {
        low = std::min(low, pair.weight(i));
        high = std::max(high, pair.weight(i));
    }
    const float merged = (high - low) / 255;
    const float of_zero = merged == 0 ? 0 : std::nearbyint(-low / merged);
    pair.encode(merged, of_zero);
    scale = merged, zero = of_zero;
}

}  // namespace

void widen_groups(const StoredLinear& linear, int n_rows, uint8_t* codes, float* scales,
                  float* zeros) {
    const int n = n_rows * (linear.k / kLong);
    for (int i = 0; i < n; i++) {
        const Pair pair{codes + ptrdiff_t(i) * kLong, scales + ptrdiff_t(i) * 2,
                        zeros + ptrdiff_t(i) * 2};
        if (linear.quantized->has_zeros())
            merge_ranges(pair, scales[i], zeros[i]);
        else
            merge_symmetric(pair, linear.kind, scales[i], zeros[i]);
    }
}

}  // namespace qwend
