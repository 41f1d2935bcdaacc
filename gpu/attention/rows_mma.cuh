#pragma once

#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"
#include "gpu/sm90/cp_async.cuh"

// What prefill_attention_mma and decode_attention_shared_prefix have in common: a block of four
// warps, each with 16 or 32 rows, goes through the keys of a context in stages of 64, which all
// threads copy to shared memory. A row is a pair of a query and a head of its group.

namespace qwend {

inline constexpr int kRowsWarps = 4;
inline constexpr int kRowsThreads = kRowsWarps * kWarp;
inline constexpr int kStages = 3;      // one in use, the others on their way
inline constexpr int kStageTiles = 4;  // KV blocks
inline constexpr int kStageKeys = kStageTiles * kBlockTokens;

/// Tiles of 16 rows that a warp takes. The larger head leaves registers for one.
__host__ __device__ constexpr int m_tiles(int head_dim) {
    return head_dim == 64 ? 2 : 1;
}
/// Rows of a block.
constexpr int tile_rows(int head_dim) {
    return kRowsWarps * 16 * m_tiles(head_dim);
}

/// Rows g (low) and g + 8 (high) of the queries.
template <int HEAD_DIM>
struct QueryFragment {
    uint4 low[HEAD_DIM / 32], high[HEAD_DIM / 32];

    /// `r`: 0: the low row, 1: the high one. `query`: (HEAD_DIM).
    __device__ void load(int r, const bf16* query, int t) {
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++)
            (r == 0 ? low : high)[b] = *reinterpret_cast<const uint4*>(query + 32 * b + 8 * t);
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

/// The online softmax of 16 rows, of which a thread has g and g + 8.
template <int HEAD_DIM>
struct RowsOf16 {
    QueryFragment<HEAD_DIM> q = {};
    int last_key[2];  // the row's own position; -1: no such row
    float max[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    float out[HEAD_DIM / 8][4] = {};

    /// Adds the scores of a stage: masks them, raises the maximum, rescales the output, and leaves
    /// the softmax's weights in `scores`.
    template <bool MASKED>
    __device__ void add_scores(float (&scores)[kStageTiles][2][4], int first_key, int t,
                               float scale) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float stage_max = -INFINITY;
#pragma unroll
            for (int i = 0; i < kStageTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        const int key = first_key + i * kBlockTokens + key_in_tile(t, h, c);
                        if (MASKED && key > last_key[r]) score = -INFINITY;
                        stage_max = fmaxf(stage_max, score);
                    }
            const float new_max = fmaxf(max[r], row_max(stage_max) * scale);
            const float base = new_max == -INFINITY ? 0 : new_max;
            const float keep = exp2_ftz(max[r] - base);
            float added = 0;
#pragma unroll
            for (int i = 0; i < kStageTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        added += score = exp2_ftz(fmaf(score, scale, -base));
                    }
            sum[r] = sum[r] * keep + added;  // of this thread's keys; the row's at the end
            max[r] = new_max;
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++) out[j][2 * r] *= keep, out[j][2 * r + 1] *= keep;
        }
    }

    __device__ void add_values(const float (&weights)[2][4],
                               const ValueFragment<HEAD_DIM>& values) {
        const uint32_t a0 = pack_bf16(weights[0][0], weights[0][1]);
        const uint32_t a1 = pack_bf16(weights[0][2], weights[0][3]);
        const uint32_t a2 = pack_bf16(weights[1][0], weights[1][1]);
        const uint32_t a3 = pack_bf16(weights[1][2], weights[1][3]);
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            mma(out[j], a0, a1, a2, a3, values.v[j].x, values.v[j].y);
    }
};

/// A stage: the keys and values of a step. In odd rows of keys the halves of every 128 bytes are
/// swapped, so that eight threads that read two neighbouring rows meet 32 different banks.
template <int HEAD_DIM>
struct KvStage {
    static constexpr int kElements = kBlockTokens * HEAD_DIM;  // of a tile
    bf16 keys[kStageTiles][kElements], values[kStageTiles][kElements];

    static constexpr int kCopyElements = kCpAsyncBytes / int(sizeof(bf16));
    static constexpr int kRowCopies = HEAD_DIM / kCopyElements;
    /// Where the copy of the elements from `column` on lies.
    __device__ static int key_offset(int row, int column) {
        return row * HEAD_DIM + ((column / kCopyElements) ^ (row % 2 * 4)) * kCopyElements;
    }

    /// Starts the copy of blocks[i] of the cache to tile i. Called by all threads of the block.
    __device__ void copy(const KvCache& cache, const int32_t (&blocks)[kStageTiles], int kv_head,
                         int n_kv_heads) {
#pragma unroll
        for (int i = 0; i < kStageTiles; i++) {
            const size_t from = (size_t(blocks[i]) * n_kv_heads + kv_head) * kElements;
#pragma unroll
            for (int at = threadIdx.x; at < kBlockTokens * kRowCopies; at += kRowsThreads) {
                const int row = at / kRowCopies, column = at % kRowCopies * kCopyElements;
                cp_async(keys[i] + key_offset(row, column), cache.keys + from + at * kCopyElements);
                cp_async(values[i] + at * kCopyElements, cache.values + from + at * kCopyElements);
            }
        }
    }

    __device__ KeyFragment<HEAD_DIM> key_fragment(int tile, int g, int t) const {
        KeyFragment<HEAD_DIM> k;
        k.load_from([&](int row, int column) { return keys[tile] + key_offset(row, column); }, g,
                    t);
        return k;
    }
};

/// Attention of a warp's rows to a stage, whose first key is `first_key`. MASKED: rows leave out
/// keys beyond their last.
template <bool MASKED, int HEAD_DIM>
__device__ inline void attend_stage(RowsOf16<HEAD_DIM> (&rows)[m_tiles(HEAD_DIM)],
                                    const KvStage<HEAD_DIM>& stage, int first_key, float scale,
                                    int g, int t) {
    constexpr int kMTiles = m_tiles(HEAD_DIM);
    float scores[kMTiles][kStageTiles][2][4] = {};
#pragma unroll
    for (int i = 0; i < kStageTiles; i++) {
        const KeyFragment<HEAD_DIM> k = stage.key_fragment(i, g, t);
#pragma unroll
        for (int m = 0; m < kMTiles; m++) score_tile<HEAD_DIM>(scores[m][i], rows[m].q, k);
    }
#pragma unroll
    for (int m = 0; m < kMTiles; m++)
        rows[m].template add_scores<MASKED>(scores[m], first_key, t, scale);
#pragma unroll
    for (int i = 0; i < kStageTiles; i++) {
        ValueFragment<HEAD_DIM> v;
        v.load(stage.values[i], g, t);
#pragma unroll
        for (int m = 0; m < kMTiles; m++) rows[m].add_values(scores[m][i], v);
    }
}

}  // namespace qwend
