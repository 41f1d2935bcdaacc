#include "model/quantized/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace qwend {

namespace {

// Loops are written for a compiler that makes vectors of them, and inlined into a function for each
// kind of CPU.
#define INLINE inline __attribute__((always_inline))

constexpr float kLargestInt8 = 127, kLargestE4m3 = 448;
constexpr float kLeastF16 = 0x1p-24f;
constexpr float kLeastScale = 0x1p-100f;  // of fp8: its inverse is a number
constexpr int kMostInt4 = 15;

/// The nearest integer, of two the even one, of a number below 2^22.
INLINE float rounded(float value) {
    constexpr float kUnit = 0x1.8p23f;  // the last place of numbers about it is 1
    return value + kUnit - kUnit;
}

INLINE float inverse_of(float scale) {
    return scale > 0 ? 1 / scale : 0;
}

/// The largest magnitude, as its bits: those of what is no number are larger than all others.
INLINE int32_t largest_bits(const float* x, int n) {
    int32_t largest = 0;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < n; i++)
        largest = std::max(largest, std::bit_cast<int32_t>(x[i]) & 0x7FFFFFFF);
    return largest;
}

/// The least number of f16 that is not below a value above 0.
INLINE float f16_above(float value) {
    if (value < 0x1p-14f) return std::ceil(value / kLeastF16) * kLeastF16;
    return std::bit_cast<float>((std::bit_cast<uint32_t>(value) + 0x1FFF) & ~uint32_t(0x1FFF));
}

/// The nearest of f16 that is above 0.
INLINE float f16_nearest(float value) {
    if (value < 0x1p-14f) return std::max(1.0f, rounded(value / kLeastF16)) * kLeastF16;
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    return std::bit_cast<float>((bits + 0xFFF + (bits >> 13 & 1)) & ~uint32_t(0x1FFF));
}

INLINE float quantize_int8(const float* x, int n, uint8_t* codes) {
    const float largest = std::bit_cast<float>(largest_bits(x, n));
    const float scale = largest > 0 ? f16_above(std::max(largest / kLargestInt8, kLeastF16)) : 0;
    const float inverse = inverse_of(scale);
#pragma omp simd
    for (int i = 0; i < n; i++) codes[i] = uint8_t(int(rounded(x[i] * inverse)) + 128);
    return scale;
}

/// A number of magnitude up to 448 as e4m3, rounded to nearest, ties to even.
INLINE uint8_t to_e4m3(float value) {
    constexpr int kDropped = 20;                 // bits of a float's mantissa beyond e4m3's
    constexpr int32_t kRebias = (127 - 7) << 3;  // of exponents
    constexpr float kUnit = 0x1p14f;  // the last place of numbers about it is that of subnormals
    const int32_t bits = std::bit_cast<int32_t>(value), magnitude = bits & 0x7FFFFFFF;
    const int32_t subnormal = std::bit_cast<int32_t>(std::bit_cast<float>(magnitude) + kUnit) -
                              std::bit_cast<int32_t>(kUnit);
    const int32_t half = (1 << (kDropped - 1)) - 1 + (magnitude >> kDropped & 1);
    const int32_t normal = ((magnitude + half) >> kDropped) - kRebias;
    const int32_t code = magnitude < std::bit_cast<int32_t>(0x1p-6f) ? subnormal : normal;
    return uint8_t(code | (bits >> 24 & 0x80));
}

INLINE float quantize_fp8(const float* x, int n, uint8_t* codes) {
    const float largest = std::bit_cast<float>(largest_bits(x, n));
    const float scale = largest > 0 ? std::max(largest / kLargestE4m3, kLeastScale) : 0;
    const float inverse = inverse_of(scale);
#pragma omp simd
    for (int i = 0; i < n; i++) codes[i] = to_e4m3(x[i] * inverse);
    return scale;
}

/// A scale and a zero of int4, and what they leave.
struct Grid {
    float scale = 0;
    int zero = 8;
    float error = std::numeric_limits<float>::infinity();
};

/// A weight in steps from the zero.
INLINE float steps_of(float value, float inverse, float least, float most) {
    return std::min(std::max(rounded(value * inverse), least), most);
}

/// Some weights of int4. The square of an error counts by the weight's magnitude.
struct Group {
    const float* x;
    int n;
    float low = 0, high = 0;  // 0 is on every grid

    INLINE Group(const float* begin, int count) : x(begin), n(count) {
        float least = 0, most = 0;
#pragma omp simd reduction(min : least) reduction(max : most)
        for (int i = 0; i < n; i++) least = std::min(least, x[i]), most = std::max(most, x[i]);
        low = least, high = most;
    }

    /// A grid with this scale and this zero or the next, whichever leaves less.
    INLINE Grid better_of(float scale, int zero) const {
        const float inverse = inverse_of(scale);
        const float least = float(-zero), most = float(kMostInt4 - zero);
        float error = 0, next_error = 0;
#pragma omp simd reduction(+ : error, next_error)
        for (int i = 0; i < n; i++) {
            const float steps = rounded(x[i] * inverse), count = std::abs(x[i]);
            const float off = x[i] - std::min(std::max(steps, least), most) * scale;
            const float next_off = x[i] - std::min(std::max(steps, least - 1), most - 1) * scale;
            error += count * off * off, next_error += count * next_off * next_off;
        }
        if (next_error < error && zero < kMostInt4) return {scale, zero + 1, next_error};
        return {scale, zero, error};
    }

    /// The scale with the least error for the codes that a grid gives; 0 if there is none.
    INLINE float fitting_scale(const Grid& grid) const {
        const float inverse = inverse_of(grid.scale);
        const float least = float(-grid.zero), most = float(kMostInt4 - grid.zero);
        float products = 0, squares = 0;
#pragma omp simd reduction(+ : products, squares)
        for (int i = 0; i < n; i++) {
            const float steps = steps_of(x[i], inverse, least, most);
            const float counted = std::abs(x[i]) * steps;
            products += counted * x[i], squares += counted * steps;
        }
        return squares > 0 ? products / squares : 0;
    }
};

INLINE Grid find_grid(const Group& group) {
    constexpr float kWidest = 1.08f, kNarrowest = 0.8f, kStep = 0.08f;
    const float low = group.low, high = group.high;
    Grid best;
    if (low == high) return best;
    for (float share = kWidest; share > kNarrowest; share -= kStep) {
        const float scale = f16_nearest((high - low) * share / kMostInt4);
        const float middle = float(kMostInt4) / 2 - (high + low) / 2 / scale;
        const int below = std::clamp(int(std::floor(middle)), 0, kMostInt4);
        if (const Grid grid = group.better_of(scale, below); grid.error < best.error) best = grid;
    }
    if (const float scale = group.fitting_scale(best); scale > 0)
        if (const Grid grid = group.better_of(f16_nearest(scale), best.zero);
            grid.error < best.error)
            best = grid;
    return best;
}

INLINE Grid quantize_int4(const float* x, int n, uint8_t* codes) {
    const Grid grid = find_grid(Group(x, n));
    const float inverse = inverse_of(grid.scale);
    const float least = float(-grid.zero), most = float(kMostInt4 - grid.zero);
#pragma omp simd
    for (int i = 0; i < n; i++)
        codes[i] = uint8_t(int(steps_of(x[i], inverse, least, most)) + grid.zero);
    return grid;
}

INLINE bool quantize(LinearKind kind, const float* row, int k, int group, uint8_t* codes,
                     float* scales, float* zeros) {
    if (largest_bits(row, k) >= std::bit_cast<int32_t>(kWeightEnd)) return false;
    for (int begin = 0, g = 0; begin < k; begin += group, g++) {
        const int n = std::min(group, k - begin);
        if (kind == LinearKind::int4) {
            const Grid grid = quantize_int4(row + begin, n, codes + begin);
            scales[g] = grid.scale, zeros[g] = float(grid.zero);
        } else if (kind == LinearKind::int8) {
            scales[g] = quantize_int8(row + begin, n, codes + begin), zeros[g] = 128;
        } else {
            scales[g] = quantize_fp8(row + begin, n, codes + begin);
        }
    }
    return true;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) bool quantize_avx2(LinearKind kind, const float* row, int k,
                                                       int group, uint8_t* codes, float* scales,
                                                       float* zeros) {
    return quantize(kind, row, k, group, codes, scales, zeros);
}
#endif

}  // namespace

bool quantize_row(LinearKind kind, const float* row, int k, int group, uint8_t* codes,
                  float* scales, float* zeros) {
#if defined(__x86_64__)
    static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (has_avx2) return quantize_avx2(kind, row, k, group, codes, scales, zeros);
#endif
    return quantize_row_plainly(kind, row, k, group, codes, scales, zeros);
}

bool quantize_row_plainly(LinearKind kind, const float* row, int k, int group, uint8_t* codes,
                          float* scales, float* zeros) {
    return quantize(kind, row, k, group, codes, scales, zeros);
}

}  // namespace qwend
