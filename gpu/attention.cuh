#pragma once

#include <cmath>

#include "gpu/device.cuh"
#include "gpu/ops.h"

// The two products of attention on tensor cores, fragments straight from the paged cache. A tile is
// a KV block: 16 keys. Thread (g = lane / 4, t = lane % 4) reads contiguous bytes because the inner
// dimension of a product may be taken in any order, as long as both sides take the same:
//   scores: dimensions 32 b + 8 t .. + 7 are the thread's share of two steps of mma's k;
//   output: keys 4 t .. 4 t + 3 are its share of one, which makes column c of the two score
//           fragments ("halves") key 4 (c / 2) + c % 2, plus 2 in the second half.

namespace qwend {

/// 2^x in one instruction, 0 where that is below the normal numbers (PTX ISA, ex2.approx.ftz).
__device__ inline float exp2_flushed(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// Rows g (and g + 8) of queries for all of head_dim.
template <int HEAD_DIM>
struct QueryFragment {
    uint4 low[HEAD_DIM / 32], high[HEAD_DIM / 32];
};

template <int HEAD_DIM>
struct KeyFragment {
    uint4 half[2][HEAD_DIM / 32];

    /// at(row, column): where eight elements of the (16, HEAD_DIM) of one block and KV head lie.
    template <class At>
    __device__ void load_from(At at, int g, int t) {
        const int first = 4 * (g / 2) + g % 2;
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

/// scores[h] += queries · keys of half h.
template <int HEAD_DIM>
__device__ inline void score_tile(float (&scores)[2][4], const QueryFragment<HEAD_DIM>& q,
                                  const KeyFragment<HEAD_DIM>& k) {
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++) {
            const uint4 key = k.half[h][b];
            mma(scores[h], q.low[b].x, q.high[b].x, q.low[b].y, q.high[b].y, key.x, key.y);
            mma(scores[h], q.low[b].z, q.high[b].z, q.low[b].w, q.high[b].w, key.z, key.w);
        }
}

/// The key, within its tile, of score column c (0 or 1 of the thread's) of half h.
__device__ inline int key_in_tile(int t, int h, int c) {
    return 4 * t + 2 * h + c;
}

/// Over the four threads that share a row of a fragment.
__device__ inline float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float row_sum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

template <int HEAD_DIM>
struct ValueFragment {
    uint2 v[HEAD_DIM / 8];

    __device__ void load(const bf16* values, int g, int t) {
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            v[j] = *reinterpret_cast<const uint2*>(values + (8 * j + g) * kBlockTokens + 4 * t);
    }
};

/// A warp's running result of one query a head, by online softmax (arXiv:1805.02867): head g, of
/// which the thread has columns 8 j + 2 t and the next.
template <int HEAD_DIM>
struct Running {
    float max = -INFINITY, sum = 0;  // sum: of this thread's keys until the end
    float out[HEAD_DIM / 8][4] = {};

    __device__ void take(float (&scores)[2][4], const ValueFragment<HEAD_DIM>& values) {
        float tile_max =
            fmaxf(fmaxf(scores[0][0], scores[0][1]), fmaxf(scores[1][0], scores[1][1]));
        const float new_max = fmaxf(max, row_max(tile_max));
        const float keep = exp2_flushed(max - new_max);
        max = new_max;
        sum *= keep;
        uint32_t weights[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float a = exp2_flushed(scores[h][0] - max), b = exp2_flushed(scores[h][1] - max);
            sum += a + b;
            weights[h] = pack_bf16(a, b);
        }
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++) {
            out[j][0] *= keep, out[j][1] *= keep;
            mma(out[j], weights[0], 0, weights[1], 0, values.v[j].x, values.v[j].y);
        }
    }
};

/// The scores of a tile that begins at key `first`, scaled, those of keys that are not there
/// masked.
template <int HEAD_DIM>
__device__ inline void score_keys(float (&scores)[2][4], const QueryFragment<HEAD_DIM>& q,
                                  const KeyFragment<HEAD_DIM>& keys, int first, int n_keys,
                                  float scale, int t) {
    score_tile<HEAD_DIM>(scores, q, keys);
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int c = 0; c < 2; c++)
            scores[h][c] = first + key_in_tile(t, h, c) < n_keys ? scores[h][c] * scale : -INFINITY;
}

/// The queries of a KV head's group, one a row.
template <int HEAD_DIM>
__device__ inline QueryFragment<HEAD_DIM> load_group(const bf16* queries, int n_heads, int g,
                                                     int t) {
    QueryFragment<HEAD_DIM> q = {};
    if (g < n_heads)
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++)
            q.low[b] = *reinterpret_cast<const uint4*>(queries + g * HEAD_DIM + 32 * b + 8 * t);
    return q;
}

/// Scores are kept in units of log2: exp2f is one instruction.
inline float log2_scale(int head_dim) {
    return float(M_LOG2E / std::sqrt(double(head_dim)));
}

}  // namespace qwend
