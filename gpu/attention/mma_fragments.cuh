#pragma once

#include <cmath>

#include "gpu/mma.cuh"
#include "gpu/tensors.h"
#include "gpu/warp.cuh"

// The operands of attention's two products, scores = Q · Kᵀ and output = P · V, as mma wants them
// in registers. They are read straight from a tile of the paged cache, which is a KV block of 16
// keys, in contiguous bytes: mma does not mind the order of its inner dimension if both operands
// have the same. Thread (g = lane / 4, t = lane % 4) has
//   of scores   dimensions 32 b + 8 t … + 7, for two of mma's steps of k;
//   of output   keys 4 t … 4 t + 3, for one step.
// So key i of the first eight of a score fragment (a "half") is key 4 (i / 2) + i % 2 of the tile,
// and of the second half it is the key 2 further.

namespace qwend {

/// 2^x in one instruction; 0 where the result would be denormal. Source: PTX ISA, ex2.approx.ftz.
__device__ inline float exp2_ftz(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// Which key of a tile is the g-th of the first half.
__device__ inline int key_in_half(int g) {
    return 4 * (g / 2) + g % 2;
}

template <int HEAD_DIM>
struct KeyFragment {
    uint4 half[2][HEAD_DIM / 32];

    /// at(row, column): where eight elements of the (16, HEAD_DIM) of one block and KV head lie.
    template <class At>
    __device__ void load_from(At at, int g, int t) {
        const int first = key_in_half(g);
#pragma unroll
        for (int h = 0; h < 2; h++)
#pragma unroll
            for (int b = 0; b < HEAD_DIM / 32; b++)
                half[h][b] = *reinterpret_cast<const uint4*>(at(first + 2 * h, 32 * b + 8 * t));
    }
    /// `keys`: a tile as it lies in the cache.
    __device__ void load(const bf16* keys, int g, int t) {
        load_from([&](int row, int column) { return keys + row * HEAD_DIM + column; }, g, t);
    }
};

template <int HEAD_DIM>
struct ValueFragment {
    uint2 v[HEAD_DIM / 8];

    /// `values`: a tile as it lies in the cache, (HEAD_DIM, 16).
    __device__ void load(const bf16* values, int g, int t) {
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            v[j] = *reinterpret_cast<const uint2*>(values + (8 * j + g) * kBlockTokens + 4 * t);
    }
};

/// The maximum, and the sum, over the four threads that share a row of a fragment.
__device__ inline float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float row_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/// What scores are multiplied by: 1 / sqrt(head_dim), and log2(e), so that softmax takes powers of
/// 2, which are one instruction.
inline float log2_scale(int head_dim) {
    return float(M_LOG2E / std::sqrt(double(head_dim)));
}

}  // namespace qwend
