#pragma once

#include <cuda_bf16.h>

#include <cstddef>
#include <cstdint>

#include "gpu/tensors.h"
#include "gpu/warp.cuh"

// What a lane has of a tile of quantised weights, 16 bytes of model/packed_linear.h's layout, made
// into the operands of mma and wgmma that they are laid out for: whole numbers, code less zero, as
// bf16 has them exactly; scales come later, in f32.

namespace qwend {

inline constexpr int kTileBytes = 512;  // of eight outputs and a chunk
inline constexpr int kTileRows = 8;

__device__ inline uint32_t bits_of(__nv_bfloat162 x) {
    return *reinterpret_cast<uint32_t*>(&x);
}
__device__ inline __nv_bfloat162 pair_of(uint32_t bits) {
    return *reinterpret_cast<__nv_bfloat162*>(&bits);
}

/// A step of 32 inputs is two of mma: four registers of two bf16, a0 and a2 (or a1 and a3) of the
/// first, then of the second. A chunk is what tiles have of inputs.
template <LinearKind KIND>
struct PackedSteps;

template <>
struct PackedSteps<LinearKind::int4> {
    static constexpr LinearKind kKind = LinearKind::int4;
    static constexpr int kOfChunk = 4, kInputs = 128;
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
        for (int i = 0; i < 4; i++) {
            // 0x43 is the beginning of 128 + code. One instruction does both; nvcc makes it two.
            uint32_t pair;
            asm("lop3.b32 %0, %1, 0x000f000f, 0x43004300, 0xea;" : "=r"(pair) : "r"(word >> 4 * i));
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
    static constexpr LinearKind kKind = LinearKind::int8;
    static constexpr int kOfChunk = 2, kInputs = 64;
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
    static constexpr LinearKind kKind = LinearKind::fp8;
    static constexpr int kOfChunk = 2, kInputs = 64;
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

/// Quantised weights as a lane reads them.
template <LinearKind KIND>
class PackedLane {
    using Steps = PackedSteps<KIND>;

  public:
    __device__ explicit PackedLane(const PackedWeights& w)
        : codes_(w.codes + threadIdx.x % kWarp * 16),
          scales_(w.scales + threadIdx.x % kWarp / 4),
          n_chunks_(w.k / Steps::kInputs),
          n_groups_(w.k / w.group) {}
    /// The first tile and the first scales of eight outputs, of which `row` is the first.
    __device__ int tile(int row) const { return row / kTileRows * n_chunks_; }
    __device__ int scales(int row) const { return row / kTileRows * n_groups_; }
    /// Of a lane, 16 bytes and a word.
    __device__ const std::byte* codes(int tile) const { return codes_ + size_t(tile) * kTileBytes; }
    __device__ const uint32_t* scale(int i) const { return scales_ + size_t(i) * kTileRows; }

  private:
    const std::byte* codes_;
    const uint32_t* scales_;
    int n_chunks_, n_groups_;
};

}  // namespace qwend
