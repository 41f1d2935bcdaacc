#pragma once

#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"

// What a warp does in decode attention: scores of a tile of 16 keys with one query of each head of
// a group, and the output by online softmax. Keys, then values, are the A side of mma; the heads,
// at most eight, are the B side. Thread (g = lane / 4, t = lane % 4) has of heads 2 t and 2 t + 1
// the scores of keys key_in_half(g) and 2 further, and dimensions 16 j + g and 8 further of the
// output.

namespace qwend {

/// Head g's query; of every 32 dimensions the thread has 8 t … 8 t + 7.
template <int HEAD_DIM>
struct GroupQueries {
    uint4 of_head[HEAD_DIM / 32] = {};

    /// `queries`: the group's, (n_heads, HEAD_DIM).
    __device__ GroupQueries(const bf16* queries, int n_heads, int g, int t) {
        if (g >= n_heads) return;
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++)
            of_head[b] = *reinterpret_cast<const uint4*>(queries + g * HEAD_DIM + 32 * b + 8 * t);
    }
};

/// Of which of the thread's two heads element i of mma's result is.
__device__ constexpr int head_of(int i) {
    return i % 2;
}
/// And of which of its two keys or dimensions.
__device__ constexpr int half_of(int i) {
    return i / 2;
}

/// Combines x of the eight threads that share heads of a result.
template <class Combine>
__device__ inline float over_keys(float x, Combine combine) {
#pragma unroll
    for (int offset = 4; offset < kWarp; offset *= 2)
        x = combine(x, __shfl_xor_sync(0xffffffffu, x, offset));
    return x;
}

/// Transposes the 8 x 8 bf16 of a warp, of which a thread has two columns of row g: it gets two
/// rows of column g.
__device__ inline uint32_t transposed(uint32_t pair) {
    uint32_t out;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(pair));
    return out;
}

/// The thread's scores, scaled, of a tile that begins at key `first`; -INFINITY from key n_keys on.
template <int HEAD_DIM>
__device__ inline void score_group(float (&scores)[4], const GroupQueries<HEAD_DIM>& queries,
                                   const KeyFragment<HEAD_DIM>& keys, int first, int n_keys,
                                   float scale, int g) {
    MmaChains<2> products;
#pragma unroll
    for (int b = 0; b < HEAD_DIM / 32; b++)
        products.add(b, keys.half[0][b], keys.half[1][b], queries.of_head[b]);
    products.total(scores);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int key = first + key_in_half(g) + 2 * half_of(i);
        scores[i] = key < n_keys ? scores[i] * scale : -INFINITY;
    }
}

/// Online softmax: the running maximum, sum and output of a warp, rescaled when a tile raises the
/// maximum. Source: Milakov & Gimelshein 2018, arXiv:1805.02867.
template <int HEAD_DIM>
struct GroupOnlineSoftmax {
    float max[2] = {-INFINITY, -INFINITY};
    float sum[2] = {};  // of the thread's keys; of all after reduce_sum()
    float out[HEAD_DIM / 16][4] = {};

    /// Adds a tile; overwrites its scores.
    __device__ void add_tile(float (&scores)[4], const ValueFragment<HEAD_DIM>& values) {
        float keep[2];
#pragma unroll
        for (int c = 0; c < 2; c++) {
            const float tile_max = over_keys(fmaxf(scores[c], scores[c + 2]),
                                             [](float a, float b) { return fmaxf(a, b); });
            const float new_max = fmaxf(max[c], tile_max);
            keep[c] = exp2_ftz(max[c] - new_max);
            max[c] = new_max;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) scores[i] = exp2_ftz(scores[i] - max[head_of(i)]);
#pragma unroll
        for (int c = 0; c < 2; c++) sum[c] = sum[c] * keep[c] + (scores[c] + scores[c + 2]);
        const uint32_t low = transposed(pack_bf16(scores[0], scores[1]));
        const uint32_t high = transposed(pack_bf16(scores[2], scores[3]));
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 16; j++) {
#pragma unroll
            for (int i = 0; i < 4; i++) out[j][i] *= keep[head_of(i)];
            const uint2 a = values.v[2 * j], b = values.v[2 * j + 1];
            mma(out[j], a.x, b.x, a.y, b.y, low, high);
        }
    }

    /// Makes `sum` that of all keys.
    __device__ void reduce_sum() {
#pragma unroll
        for (float& s : sum) s = over_keys(s, [](float a, float b) { return a + b; });
    }
};

/// A warp's partial result, in shared memory: of each head the maximum, the sum, and the output
/// before the division.
template <int HEAD_DIM>
struct WarpPartial {
    float max[kMaxGroup], sum[kMaxGroup];
    float out[kMaxGroup][HEAD_DIM + 4];  // + 4: threads that write meet different banks

    __device__ void put(const GroupOnlineSoftmax<HEAD_DIM>& running, int g, int t) {
        if (g == 0)
#pragma unroll
            for (int c = 0; c < 2; c++)
                max[2 * t + c] = running.max[c], sum[2 * t + c] = running.sum[c];
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 16; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                out[2 * t + head_of(i)][16 * j + g + 8 * half_of(i)] = running.out[j][i];
    }
};

}  // namespace qwend
