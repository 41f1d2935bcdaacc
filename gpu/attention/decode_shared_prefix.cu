#include "gpu/attention/prefix_partial.cuh"
#include "gpu/attention/rows_mma.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

// decode_attention_shared_prefix: attention of many rows of one query each to tiles of the paged KV
// cache that they have in common.
//
// What    Of each row and head the maximum of its scores, the sum of their exponentials and the
//         output before the division (PrefixPartial), over the tiles of an item.
// Grid    (KV heads, items). An item is a few rows and a run of tiles.
// Block   4 warps of 16 or 32 pairs of a row and a head; two blocks an SM, so that one works while
//         the other waits.
// Shared  a ring of three stages, as prefill_attention_mma has.
// Order   As there, but that no score is masked save where the last stage goes beyond the item. The
//         first stages are copied before the wait for the previous kernel, which writes none of
//         their keys.
// When    Several rows share so many tiles that reading them once saves more than a launch costs:
//         SharedPrefixPlanner knows. decode_attention_suffix comes next.
// Source  Juravsky et al. 2024, arXiv:2402.05099 (Hydragen).

namespace qwend {

namespace {

constexpr int kBlocksPerSm = 2;

/// The pairs of a row and a head that a warp has.
template <int HEAD_DIM>
class WarpPairs {
  public:
    static constexpr int kMTiles = m_tiles(HEAD_DIM);

    /// `order`: the item's rows. The item has n_keys.
    __device__ WarpPairs(const DecodeAttentionArgs& a, const int32_t* order, int n_rows, int n_keys,
                         int kv_head)
        : heads_(a.shape.group()), n_pairs_(n_rows * heads_) {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const int pair = this->pair(m, r);
                rows_[m].last_key[r] = n_keys - 1;
                if (pair >= n_pairs_) continue;
                const size_t head = size_t(order[pair / heads_]) * a.shape.n_heads +
                                    kv_head * heads_ + pair % heads_;
                rows_[m].q.load(r, a.queries + head * HEAD_DIM, t_);
            }
    }
    __device__ bool has_any() const {
        return first_pair_ < n_pairs_;
    }

    template <bool MASKED>
    __device__ void attend(const KvStage<HEAD_DIM>& stage, int first_key, float scale) {
        attend_stage<MASKED>(rows_, stage, first_key, scale, g_, t_);
    }

    /// `partials`: of the item and the KV head's first row, `stride` apart.
    __device__ void write(PrefixPartial<HEAD_DIM>* partials, int stride) const {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float sum = row_sum(rows_[m].sum[r]);
                const int pair = this->pair(m, r), head = pair % heads_;
                if (pair >= n_pairs_) continue;
                PrefixPartial<HEAD_DIM>& to = partials[pair / heads_ * stride];
                if (t_ == 0) to.max[head] = rows_[m].max[r], to.sum[head] = sum;
#pragma unroll
                for (int j = 0; j < HEAD_DIM / 8; j++)
                    *reinterpret_cast<float2*>(&to.out[head][8 * j + 2 * t_]) = {
                        rows_[m].out[j][2 * r], rows_[m].out[j][2 * r + 1]};
            }
    }

  private:
    __device__ int pair(int m, int r) const {
        return first_pair_ + 16 * m + 8 * r + g_;
    }

    const int heads_, n_pairs_;
    const int first_pair_ = int(threadIdx.x) / kWarp * 16 * kMTiles;
    const int g_ = threadIdx.x % kWarp / 4, t_ = threadIdx.x % 4;
    RowsOf16<HEAD_DIM> rows_[kMTiles];
};

template <int HEAD_DIM>
__global__ void __launch_bounds__(kRowsThreads, kBlocksPerSm)
    decode_attention_shared_prefix_kernel(DecodeAttentionArgs a, SharedPrefixes shared,
                                          PrefixPartial<HEAD_DIM>* partials, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto* stages = reinterpret_cast<KvStage<HEAD_DIM>*>(memory);
    allow_next_kernel();
    const SharedPrefixItem item = shared.items[blockIdx.y];
    if (item.n_rows == 0) return wait_for_previous_kernel();
    const int kv_head = blockIdx.x, n_tiles = item.tile_end - item.tile_begin;
    const int n_steps = (n_tiles + kStageTiles - 1) / kStageTiles;
    const int32_t* order = shared.row_order + item.first_row;
    const int32_t* table = a.block_tables + size_t(item.lane) * a.table_width + item.tile_begin;
    int32_t blocks[kStageTiles];  // of the step that is copied next
    auto find_blocks = [&](int step) {
#pragma unroll
        for (int i = 0; i < kStageTiles; i++)  // beyond the last any will do: it is masked
            blocks[i] = table[min(step * kStageTiles + i, n_tiles - 1)];
    };
    auto copy = [&](int step) {
        if (step < n_steps)
            stages[step % kStages].copy(a.cache, blocks, kv_head, a.shape.n_kv_heads);
        cp_async_commit();
        find_blocks(step + 1);
    };
    find_blocks(0);
#pragma unroll
    for (int step = 0; step < kStages - 1; step++) copy(step);
    wait_for_previous_kernel();
    WarpPairs<HEAD_DIM> pairs(a, order, item.n_rows, n_tiles * kBlockTokens, kv_head);
    for (int step = 0; step < n_steps; step++) {
        cp_async_wait<kStages - 2>();
        __syncthreads();  // the stage has come, and all have read the one before
        copy(step + kStages - 1);
        if (!pairs.has_any()) continue;
        const KvStage<HEAD_DIM>& stage = stages[step % kStages];
        if ((step + 1) * kStageTiles <= n_tiles)
            pairs.template attend<false>(stage, step * kStageKeys, scale);
        else
            pairs.template attend<true>(stage, step * kStageKeys, scale);
    }
    const size_t first = size_t(blockIdx.y) * shared_prefix_rows(a.shape) * a.shape.n_kv_heads;
    if (pairs.has_any()) pairs.write(partials + first + kv_head, a.shape.n_kv_heads);
}

template <int HEAD_DIM>
void launch(const DecodeAttentionArgs& a, const SharedPrefixes& shared, float* partials,
            const Stream& stream) {
    LaunchShape shape{dim3(a.shape.n_kv_heads, shared.n_items), kRowsThreads};
    shape.shared_bytes = kStages * sizeof(KvStage<HEAD_DIM>);
    shape.carveout_percent = kLargeStepCarveout;
    launch_dependent(decode_attention_shared_prefix_kernel<HEAD_DIM>, shape, stream, a, shared,
                     reinterpret_cast<PrefixPartial<HEAD_DIM>*>(partials), log2_scale(HEAD_DIM));
}

}  // namespace

void decode_attention_shared_prefix(const DecodeAttentionArgs& a, const SharedPrefixes& shared,
                                    float* partials, const Stream& stream) {
    SHAPE_CHECK(a.n > 0 && shared.n_items > 0 && is_attention_shape(a.shape));
    a.shape.head_dim == 64 ? launch<64>(a, shared, partials, stream)
                           : launch<128>(a, shared, partials, stream);
}

}  // namespace qwend
