#pragma once

#include <cuda_bf16.h>

#include "gpu/tensors.h"

// What a thread reads of quantised weights, 16 bytes of a row at a time, made into operands of mma:
// whole numbers, code less zero, as bf16 has them exactly; scales come later, in f32.

namespace qwend {

__device__ inline uint32_t bits_of(__nv_bfloat162 x) {
    return *reinterpret_cast<uint32_t*>(&x);
}
__device__ inline __nv_bfloat162 pair_of(uint32_t bits) {
    return *reinterpret_cast<__nv_bfloat162*>(&bits);
}

/// A step of 32 inputs is eight of a thread: four registers of two bf16. A chunk is 64 bytes of a
/// row, of which a thread has 16.
template <LinearKind KIND>
struct PackedSteps;

template <>
struct PackedSteps<LinearKind::int4> {
    static constexpr int kOfChunk = 4;
    /// Subtracted from codes: 128 more than the zero, twice.
    using Zero = uint32_t;
    __device__ static Zero zero_of(uint32_t scale) {
        const auto zero = __float2bfloat16_rn(128.f + __uint_as_float(scale & 0xffff0000u));
        return bits_of(__halves2bfloat162(zero, zero));
    }
    __device__ static uint4 unpack(const uint4& chunk, int step, Zero zero) {
        const uint32_t word = (&chunk.x)[step];
        uint4 out;
#pragma unroll
        for (int i = 0; i < 4; i++) {  // 0x43 is the beginning of 128 + code
            const uint32_t pair = (word >> (4 * i) & 0x000f000fu) | 0x43004300u;
            (&out.x)[i] = bits_of(__hsub2(pair_of(pair), pair_of(zero)));
        }
        return out;
    }
    __device__ static float scale_of(uint32_t scale) {
        return __half2float(__ushort_as_half(static_cast<unsigned short>(scale)));
    }
};

template <>
struct PackedSteps<LinearKind::int8> {
    static constexpr int kOfChunk = 2;
    using Zero = float;  // with 2^23, of which a code is the last bits
    __device__ static Zero zero_of(uint32_t scale) {
        return 8388608.f + __uint_as_float(scale & 0xffff0000u);
    }
    __device__ static uint4 unpack(const uint4& chunk, int step, Zero zero) {
        uint4 out;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const uint32_t word = (&chunk.x)[2 * step + i / 2];
            const uint32_t low = __byte_perm(word, 0x4b000000u, i % 2 == 0 ? 0x7440 : 0x7442),
                           high = __byte_perm(word, 0x4b000000u, i % 2 == 0 ? 0x7441 : 0x7443);
            (&out.x)[i] = bits_of(
                __floats2bfloat162_rn(__uint_as_float(low) - zero, __uint_as_float(high) - zero));
        }
        return out;
    }
    __device__ static float scale_of(uint32_t scale) {
        return PackedSteps<LinearKind::int4>::scale_of(scale);
    }
};

template <>
struct PackedSteps<LinearKind::fp8> {
    static constexpr int kOfChunk = 2;
    struct Zero {};
    __device__ static Zero zero_of(uint32_t) { return {}; }
    __device__ static uint4 unpack(const uint4& chunk, int step, Zero) {
        const auto from_e4m3 = __float2bfloat162_rn(0x1p120f);  // its exponents are 120 less
        uint4 out;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const uint32_t word = (&chunk.x)[2 * step + i / 2];
            const uint32_t tops = __byte_perm(word, 0, i % 2 == 0 ? 0x1404 : 0x3424);
            const uint32_t pair = (tops & 0x80008000u) | (tops & 0x7f007f00u) >> 4;
            (&out.x)[i] = bits_of(__hmul2(pair_of(pair), from_e4m3));
        }
        return out;
    }
    __device__ static float scale_of(uint32_t scale) {
        return __uint_as_float(scale);
    }
};

}  // namespace qwend
