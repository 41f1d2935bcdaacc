#pragma once

#include <bit>
#include <cstdint>

namespace qwend {

/// bfloat16: the upper half of a float.
using bf16_t = uint16_t;

inline float bf16_to_float(bf16_t value) {
    return std::bit_cast<float>(uint32_t(value) << 16);
}

/// Rounds to nearest, ties to even. NaN stays NaN.
inline bf16_t float_to_bf16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return bf16_t(bits >> 16 | 0x40);
    return bf16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

/// IEEE half to float, subnormals and infinities included.
inline float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000) << 16;
    const uint32_t magnitude = half & 0x7FFF;
    if (magnitude >= 0x7C00)  // infinity or NaN
        return std::bit_cast<float>(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
    // Scaling by 2^112 moves the exponent bias from 15 to 127 and normalises subnormals.
    const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}

}  // namespace qwend
