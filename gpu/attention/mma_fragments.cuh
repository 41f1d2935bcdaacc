#pragma once

#include <cmath>

#include "gpu/mma.cuh"
#include "gpu/tensors.h"
#include "gpu/warp.cuh"

// The two products of attention on tensor cores, fragments straight from the paged cache. A tile is
// a KV block: 16 keys. Thread (g = lane / 4, t = lane % 4) reads contiguous bytes because the inner
// dimension of a product may be taken in any order, as long as both sides take the same:
//   scores: dimensions 32 b + 8 t .. + 7 are the thread's share of two steps of mma's k;
//   output: keys 4 t .. 4 t + 3 are its share of one, which makes key i of the first eight of a
//           score fragment ("half") key 4 (i / 2) + i % 2 of the tile; of the second half, 2 more.

namespace qwend {

/// 2^x in one instruction, 0 where that is below the normal numbers (PTX ISA, ex2.approx.ftz).
__device__ inline float exp2_flushed(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// The key of a tile that is the g-th of the first half.
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
    /// `keys`: as they lie in the cache.
    __device__ void load(const bf16* keys, int g, int t) {
        load_from([&](int row, int column) { return keys + row * HEAD_DIM + column; }, g, t);
    }
};

template <int HEAD_DIM>
struct ValueFragment {
    uint2 v[HEAD_DIM / 8];

    __device__ void load(const bf16* values, int g, int t) {
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            v[j] = *reinterpret_cast<const uint2*>(values + (8 * j + g) * kBlockTokens + 4 * t);
    }
};

/// Over the four threads that share a row of a fragment.
__device__ inline float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float row_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/// Scores are kept in units of log2: exp2f is one instruction.
inline float log2_scale(int head_dim) {
    return float(M_LOG2E / std::sqrt(double(head_dim)));
}

}  // namespace qwend
