#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/cp_async.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// prefill_attention_mma: causal attention of tiles of queries over the paged KV cache.
//
// What    out (n, q_dim) bf16 = softmax(q · Kᵀ / sqrt(head_dim), causal) · V; softmax and sums in
//         f32, its weights rounded to bf16 for the second product.
// Grid    (KV heads, tiles of queries). A row of a tile is a pair (query, head of the group), so
//         that all heads of a group share what is read of the cache.
// Block   4 warps of 16 or 32 rows each; two blocks an SM, so that one works while the other waits.
// Shared  a ring of three stages of 64 keys and values (cp.async): 48 KiB with heads of 64, 96 KiB
//         with 128.
// Order   All threads copy a stage; a barrier of the block tells that it has come and that the
//         stage before it has been read, which is the next to be filled. Scores, online softmax
//         (one rescaling of the output a stage) and output follow each other in a warp.
// When    On devices without wgmma; on sm_90 prefill_attention_wgmma_sm90 is faster.
// Source  Dao 2023, arXiv:2307.08691 (FlashAttention-2).

namespace qwend {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kBlocksPerSm = 2;
constexpr int kStages = 3;      // one in use, the others on their way
constexpr int kStageTiles = 4;  // KV blocks
constexpr int kStageKeys = kStageTiles * kBlockTokens;

/// Tiles of 16 rows that a warp takes. The larger head leaves registers for one.
constexpr int m_tiles(int head_dim) {
    return head_dim == 64 ? 2 : 1;
}
constexpr int tile_rows(int head_dim) {
    return kWarps * 16 * m_tiles(head_dim);
}

/// Rows g (low) and g + 8 (high) of the queries.
template <int HEAD_DIM>
struct QueryFragment {
    uint4 low[HEAD_DIM / 32], high[HEAD_DIM / 32];
};

/// scores[h] += queries · keys of half h.
template <int HEAD_DIM>
__device__ void score_tile(float (&scores)[2][4], const QueryFragment<HEAD_DIM>& q,
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
__device__ int key_in_tile(int t, int h, int c) {
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
            for (int at = threadIdx.x; at < kBlockTokens * kRowCopies; at += kThreads) {
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

/// Attention of the rows of a warp.
template <int HEAD_DIM>
class WarpQueries {
  public:
    static constexpr int kMTiles = m_tiles(HEAD_DIM);

    __device__ WarpQueries(const PrefillAttentionArgs& a, const PrefillTile& tile, int kv_head)
        : a_(a), tile_(tile), kv_head_(kv_head), n_rows_(tile.n_query * a.shape.group()) {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) load_row(m, r);
    }

    /// The keys that the warp's last row attends to; 0 if it has no rows.
    __device__ int n_keys() const {
        if (first_row_ >= n_rows_) return 0;
        const int last_row = min(first_row_ + 16 * kMTiles, n_rows_) - 1;
        return tile_.position + last_row / a_.shape.group() + 1;
    }

    __device__ void attend(const KvStage<HEAD_DIM>& stage, int first_key, float scale) {
        float scores[kMTiles][kStageTiles][2][4] = {};
#pragma unroll
        for (int i = 0; i < kStageTiles; i++) {
            const KeyFragment<HEAD_DIM> k = stage.key_fragment(i, g_, t_);
#pragma unroll
            for (int m = 0; m < kMTiles; m++) score_tile<HEAD_DIM>(scores[m][i], rows_[m].q, k);
        }
        // No row is masked up to the position of the warp's first query.
        const bool masked =
            first_key + kStageKeys - 1 > tile_.position + first_row_ / a_.shape.group();
        if (masked)
            add_scores<true>(scores, first_key, scale);
        else
            add_scores<false>(scores, first_key, scale);
#pragma unroll
        for (int i = 0; i < kStageTiles; i++) {
            ValueFragment<HEAD_DIM> v;
            v.load(stage.values[i], g_, t_);
#pragma unroll
            for (int m = 0; m < kMTiles; m++) rows_[m].add_values(scores[m][i], v);
        }
    }

    __device__ void write() const {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float inverse = 1 / row_sum(rows_[m].sum[r]);
                if (row(m, r) >= n_rows_) continue;
                bf16* out = a_.out + head_of(row(m, r)) + 2 * t_;
#pragma unroll
                for (int j = 0; j < HEAD_DIM / 8; j++)
                    *reinterpret_cast<uint32_t*>(out + 8 * j) = pack_bf16(
                        rows_[m].out[j][2 * r] * inverse, rows_[m].out[j][2 * r + 1] * inverse);
            }
    }

  private:
    template <bool MASKED>
    __device__ void add_scores(float (&scores)[kMTiles][kStageTiles][2][4], int first_key,
                               float scale) {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
            rows_[m].template add_scores<MASKED>(scores[m], first_key, t_, scale);
    }
    __device__ int row(int m, int r) const {
        return first_row_ + 16 * m + 8 * r + g_;
    }
    __device__ size_t head_of(int row) const {
        const int group = a_.shape.group();
        return (size_t(tile_.query_begin + row / group) * a_.shape.n_heads + kv_head_ * group +
                row % group) *
               HEAD_DIM;
    }
    __device__ void load_row(int m, int r) {
        const int row = this->row(m, r);
        rows_[m].last_key[r] = row < n_rows_ ? tile_.position + row / a_.shape.group() : -1;
        if (row >= n_rows_) return;
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++) {
            const uint4 q =
                *reinterpret_cast<const uint4*>(a_.queries + head_of(row) + 32 * b + 8 * t_);
            if (r == 0)
                rows_[m].q.low[b] = q;
            else
                rows_[m].q.high[b] = q;
        }
    }

    const PrefillAttentionArgs& a_;
    PrefillTile tile_;
    int kv_head_, n_rows_;
    int first_row_ = int(threadIdx.x) / kWarp * 16 * kMTiles;
    int g_ = threadIdx.x % kWarp / 4, t_ = threadIdx.x % 4;
    RowsOf16<HEAD_DIM> rows_[kMTiles];
};

template <int HEAD_DIM>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    prefill_attention_mma_kernel(PrefillAttentionArgs a, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto* stages = reinterpret_cast<KvStage<HEAD_DIM>*>(memory);
    const PrefillTile tile = a.tiles[blockIdx.y];
    if (tile.n_query == 0) return wait_for_previous_kernel();
    const int kv_head = blockIdx.x;
    const int n_keys = tile.position + tile.n_query,
              n_steps = (n_keys + kStageKeys - 1) / kStageKeys;
    const int32_t* table = a.block_tables + size_t(tile.lane) * a.table_width;
    int32_t blocks[kStageTiles];  // of the step that is copied next
    auto find_blocks = [&](int step) {
#pragma unroll
        for (int i = 0; i < kStageTiles;
             i++)  // beyond the last key any block will do: it is masked
            blocks[i] = table[min(step * kStageKeys + i * kBlockTokens, n_keys - 1) / kBlockTokens];
    };
    auto copy = [&](int step) {
        if (step < n_steps)
            stages[step % kStages].copy(a.cache, blocks, kv_head, a.shape.n_kv_heads);
        cp_async_commit();
        find_blocks(step + 1);
    };
    find_blocks(0);
    wait_for_previous_kernel();
#pragma unroll
    for (int step = 0; step < kStages - 1; step++) copy(step);
    WarpQueries<HEAD_DIM> rows(a, tile, kv_head);
    const int n_own = rows.n_keys();
    for (int step = 0; step < n_steps; step++) {
        cp_async_wait<kStages - 2>();
        __syncthreads();  // the stage has come, and all have read the one before
        copy(step + kStages - 1);
        if (step * kStageKeys < n_own)
            rows.attend(stages[step % kStages], step * kStageKeys, scale);
    }
    if (n_own > 0) rows.write();
}

template <int HEAD_DIM>
void launch(const PrefillAttentionArgs& a, const Stream& stream) {
    constexpr size_t kSharedBytes = kStages * sizeof(KvStage<HEAD_DIM>);
    launch_dependent(prefill_attention_mma_kernel<HEAD_DIM>,
                     {dim3(a.shape.n_kv_heads, a.n_tiles), kThreads, kSharedBytes}, stream, a,
                     log2_scale(HEAD_DIM));
}

PrefillTileRows rows_of_tile(int head_dim) {
    return {tile_rows(head_dim), tile_rows(head_dim)};
}

void attend(const PrefillAttentionArgs& a, const Stream& stream) {
    SHAPE_CHECK(a.n_tiles > 0 && is_attention_shape(a.shape));
    if (a.shape.head_dim == 64)
        launch<64>(a, stream);
    else
        launch<128>(a, stream);
}

}  // namespace

const PrefillAttention kPrefillMma{rows_of_tile, attend};

}  // namespace qwend
