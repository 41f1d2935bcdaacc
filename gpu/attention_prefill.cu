#include "gpu/attention.cuh"
#include "gpu/cuda.h"

namespace qwend {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kStepTiles = 2;  // tiles between two rescalings of the output

/// Rows of a tile are the pairs (query, head of the group), so that all heads of a group share what
/// is read of the cache; a warp takes M_TILES * 16 of them. The larger head leaves registers for
/// one.
constexpr int m_tiles(int head_dim) {
    return head_dim == 64 ? 2 : 1;
}
constexpr int tile_rows(int head_dim) {
    return kWarps * 16 * m_tiles(head_dim);
}

/// The state of 16 rows: two rows a thread (g and g + 8).
template <int HEAD_DIM>
struct RowTile {
    QueryFragment<HEAD_DIM> q = {};
    int last_key[2];  // the row's own position; -1: no such row
    float max[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    float out[HEAD_DIM / 8][4] = {};

    /// Takes kStepTiles tiles of scores in: masks, rescales, and leaves weights in `scores`.
    __device__ void soften(float (&scores)[kStepTiles][2][4], int first_key, int t, float scale) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float new_max = max[r];
#pragma unroll
            for (int i = 0; i < kStepTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        const int key = first_key + i * kBlockTokens + key_in_tile(t, h, c);
                        score = key <= last_key[r] ? score * scale : -INFINITY;
                        new_max = fmaxf(new_max, score);
                    }
            new_max = row_max(new_max);
            const float base = new_max == -INFINITY ? 0 : new_max;
            const float keep = exp2f(max[r] - base);
            float added = 0;
#pragma unroll
            for (int i = 0; i < kStepTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        added += score = exp2f(score - base);
                    }
            sum[r] = sum[r] * keep + added;  // of this thread's keys; over the row at the end
            max[r] = new_max;
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++) out[j][2 * r] *= keep, out[j][2 * r + 1] *= keep;
        }
    }
};

template <int HEAD_DIM>
__global__ void __launch_bounds__(kThreads) prefill_kernel(PrefillAttentionArgs a, float scale) {
    constexpr int kMTiles = m_tiles(HEAD_DIM);
    const PrefillTile tile = a.tiles[blockIdx.x];
    const int kv_head = blockIdx.y, group = a.shape.group();
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int n_rows = tile.n_query * group;
    RowTile<HEAD_DIM> rows[kMTiles];
    const int first_row = warp * 16 * kMTiles;
    if (first_row >= n_rows) return;
    auto head_of = [&](int row) {
        return (size_t(tile.query_begin + row / group) * a.shape.n_heads + kv_head * group +
                row % group) *
               HEAD_DIM;
    };
#pragma unroll
    for (int m = 0; m < kMTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = first_row + 16 * m + 8 * r + g;
            rows[m].last_key[r] = row < n_rows ? tile.position + row / group : -1;
            if (row >= n_rows) continue;
#pragma unroll
            for (int b = 0; b < HEAD_DIM / 32; b++) {
                const uint4 q =
                    *reinterpret_cast<const uint4*>(a.queries + head_of(row) + 32 * b + 8 * t);
                if (r == 0)
                    rows[m].q.low[b] = q;
                else
                    rows[m].q.high[b] = q;
            }
        }
    const int last_row = min(first_row + 16 * kMTiles, n_rows) - 1;
    const int n_keys = tile.position + last_row / group + 1;
    const int32_t* table = a.block_tables + size_t(tile.lane) * a.table_width;
    for (int first = 0; first < n_keys; first += kStepTiles * kBlockTokens) {
        float scores[kMTiles][kStepTiles][2][4] = {};
        size_t offset[kStepTiles];
#pragma unroll
        for (int i = 0; i < kStepTiles; i++) {
            // A tile beyond the last key is all masked: any block will do.
            const int index = min(first + i * kBlockTokens, n_keys - 1) / kBlockTokens;
            offset[i] =
                (size_t(table[index]) * a.shape.n_kv_heads + kv_head) * (kBlockTokens * HEAD_DIM);
            KeyFragment<HEAD_DIM> k;
            k.load(a.cache.keys + offset[i], g, t);
#pragma unroll
            for (int m = 0; m < kMTiles; m++) score_tile<HEAD_DIM>(scores[m][i], rows[m].q, k);
        }
#pragma unroll
        for (int m = 0; m < kMTiles; m++) {
            rows[m].soften(scores[m], first, t, scale);
#pragma unroll
            for (int i = 0; i < kStepTiles; i++)
                output_tile<HEAD_DIM>(rows[m].out, scores[m][i], a.cache.values + offset[i], g, t);
        }
    }
#pragma unroll
    for (int m = 0; m < kMTiles; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = first_row + 16 * m + 8 * r + g;
            const float inverse = 1 / row_sum(rows[m].sum[r]);
            if (row >= n_rows) continue;
            bf16* out = a.out + head_of(row) + 2 * t;
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++)
                *reinterpret_cast<uint32_t*>(out + 8 * j) =
                    pack_bf16(rows[m].out[j][2 * r] * inverse, rows[m].out[j][2 * r + 1] * inverse);
        }
}

}  // namespace

int prefill_tile_queries(HeadShape shape) {
    return tile_rows(shape.head_dim) / shape.group();
}

void prefill_attention(const PrefillAttentionArgs& a, cudaStream_t stream) {
    const dim3 grid(a.n_tiles, a.shape.n_kv_heads);
    const float scale = log2_scale(a.shape.head_dim);
    if (a.shape.head_dim == 64)
        prefill_kernel<64><<<grid, kThreads, 0, stream>>>(a, scale);
    else
        prefill_kernel<128><<<grid, kThreads, 0, stream>>>(a, scale);
    CUDA_CHECK_LAUNCH();
}

}  // namespace qwend
