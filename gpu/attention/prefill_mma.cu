#include "gpu/attention/rows_mma.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

// prefill_attention_mma: attention of tiles of queries over the paged KV cache.
//
// What    out (n, q_dim) bf16 = softmax(q · Kᵀ / sqrt(head_dim)) · V, causal or of all keys;
//         softmax and sums in f32, its weights rounded to bf16 for the second product.
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

constexpr int kBlocksPerSm = 2;

/// Attention of the rows of a warp.
template <int HEAD_DIM, bool CAUSAL>
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
        return last_key(min(first_row_ + 16 * kMTiles, n_rows_) - 1) + 1;
    }

    __device__ void attend(const KvStage<HEAD_DIM>& stage, int first_key, float scale) {
        // No row is masked up to the last key of the warp's first query.
        const bool masked = first_key + kStageKeys - 1 > last_key(first_row_);
        if (masked)
            attend_stage<true>(rows_, stage, first_key, scale, g_, t_);
        else
            attend_stage<false>(rows_, stage, first_key, scale, g_, t_);
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
    __device__ int row(int m, int r) const {
        return first_row_ + 16 * m + 8 * r + g_;
    }
    __device__ size_t head_of(int row) const {
        const int group = a_.shape.group();
        return (size_t(tile_.query_begin + row / group) * a_.shape.n_heads + kv_head_ * group +
                row % group) *
               HEAD_DIM;
    }
    /// That a row sees.
    __device__ int last_key(int row) const {
        return CAUSAL ? tile_.n_keys - tile_.n_query + row / a_.shape.group() : tile_.n_keys - 1;
    }
    __device__ void load_row(int m, int r) {
        const int row = this->row(m, r);
        rows_[m].last_key[r] = row < n_rows_ ? last_key(row) : -1;
        if (row < n_rows_) rows_[m].q.load(r, a_.queries + head_of(row), t_);
    }

    const PrefillAttentionArgs& a_;
    PrefillTile tile_;
    int kv_head_, n_rows_;
    int first_row_ = int(threadIdx.x) / kWarp * 16 * kMTiles;
    int g_ = threadIdx.x % kWarp / 4, t_ = threadIdx.x % 4;
    RowsOf16<HEAD_DIM> rows_[kMTiles];
};

template <int HEAD_DIM, bool CAUSAL>
__global__ void __launch_bounds__(kRowsThreads, kBlocksPerSm)
    prefill_attention_mma_kernel(PrefillAttentionArgs a, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto* stages = reinterpret_cast<KvStage<HEAD_DIM>*>(memory);
    const PrefillTile tile = a.tiles[blockIdx.y];
    if (tile.n_query == 0) return wait_for_previous_kernel();
    const int kv_head = blockIdx.x;
    const int n_keys = tile.n_keys, n_steps = (n_keys + kStageKeys - 1) / kStageKeys;
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
    WarpQueries<HEAD_DIM, CAUSAL> rows(a, tile, kv_head);
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

template <int HEAD_DIM, bool CAUSAL>
void launch(const PrefillAttentionArgs& a, const Stream& stream) {
    constexpr size_t kSharedBytes = kStages * sizeof(KvStage<HEAD_DIM>);
    launch_dependent(prefill_attention_mma_kernel<HEAD_DIM, CAUSAL>,
                     {dim3(a.shape.n_kv_heads, a.n_tiles), kRowsThreads, kSharedBytes}, stream, a,
                     log2_scale(HEAD_DIM));
}

PrefillTileRows rows_of_tile(int head_dim) {
    return {tile_rows(head_dim), tile_rows(head_dim)};
}

void attend(const PrefillAttentionArgs& a, const Stream& stream) {
    SHAPE_CHECK(a.n_tiles > 0 && is_attention_shape(a.shape));
    if (a.shape.head_dim == 64)
        (a.is_causal ? launch<64, true> : launch<64, false>)(a, stream);
    else
        (a.is_causal ? launch<128, true> : launch<128, false>)(a, stream);
}

}  // namespace

const PrefillAttention kPrefillMma{rows_of_tile, attend};

}  // namespace qwend
