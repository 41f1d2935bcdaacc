#include "gpu/attention/decode_warp.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

// decode_attention_shared_prefix: attention of many rows of one query each to tiles of the paged KV
// cache that they have in common.
//
// What    Of each row and head the maximum of its scores, the sum of their exponentials and the
//         output before the division (PrefixPartial), over the tiles of an item.
// Grid    (KV heads, items). An item is up to 16 rows and a run of tiles.
// Block   8 warps, one block an SM. A warp has a few rows, whose queries and sums stay in its
//         registers, and goes through the item's tiles; where the rows leave warps over, the tiles
//         are dealt among them. Warps with other rows read the same tiles at about the same time,
//         out of L1.
// Shared  the warps' partial results (WarpPartial): dynamic, 70 KiB.
// Order   As in decode_attention_batched: the next tile's keys and values are on their way to
//         registers while one is multiplied; the first are loaded before the wait for the previous
//         kernel, which writes none of them.
// When    Several rows share so many tiles that reading them once saves more than a launch costs:
//         SharedPrefixPlanner knows. decode_attention_suffix comes next.
// Source  Juravsky et al. 2024, arXiv:2402.05099 (Hydragen); Ye et al. 2025, arXiv:2501.01005
//         (FlashInfer, composable formats).

namespace qwend {

namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;

/// What fits into a thread's registers.
template <int HEAD_DIM>
constexpr int kRowsOfWarp = HEAD_DIM == 64 ? 4 : 2;

template <int HEAD_DIM>
__global__ void __launch_bounds__(kThreads, 1)
    decode_attention_shared_prefix_kernel(DecodeAttentionArgs a, SharedPrefixes shared,
                                          PrefixPartial<HEAD_DIM>* partials, float scale) {
    constexpr int kRows = kRowsOfWarp<HEAD_DIM>;
    extern __shared__ __align__(16) unsigned char memory[];
    auto* results = reinterpret_cast<WarpPartial<HEAD_DIM>*>(memory);  // (kWarps, kRows)
    allow_next_kernel();
    const int kv_head = blockIdx.x, heads = a.shape.group();
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const SharedPrefixItem item = shared.items[blockIdx.y];
    if (item.n_rows == 0) return wait_for_previous_kernel();
    const int32_t* order = shared.row_order + item.first_row;
    const int n_row_warps = (item.n_rows + kRows - 1) / kRows, n_parts = kWarps / n_row_warps;
    const int first_row = warp % n_row_warps * kRows, part = warp / n_row_warps;
    const int n_tiles = item.tile_end - item.tile_begin;
    const int begin = item.tile_begin + n_tiles * part / n_parts;
    const int end = part < n_parts ? item.tile_begin + n_tiles * (part + 1) / n_parts : begin;
    const int32_t* table = a.block_tables + size_t(a.lanes[order[0]]) * a.table_width;

    KeyFragment<HEAD_DIM> keys;
    ValueFragment<HEAD_DIM> values;
    auto offset_of = [&](int tile) {
        return (size_t(table[tile]) * a.shape.n_kv_heads + kv_head) * (kBlockTokens * HEAD_DIM);
    };
    if (begin < end) {
        keys.load(a.cache.keys + offset_of(begin), g, t);
        values.load(a.cache.values + offset_of(begin), g, t);
    }
    wait_for_previous_kernel();
    GroupQueries<HEAD_DIM> queries[kRows];
#pragma unroll
    for (int r = 0; r < kRows; r++) {
        const int row = order[min(first_row + r, item.n_rows - 1)];
        queries[r].load(a.queries + (size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM,
                        heads, g, t);
    }

    GroupOnlineSoftmax<HEAD_DIM> running[kRows];
    for (int tile = begin; tile < end; tile++) {
        float scores[kRows][4];
#pragma unroll
        for (int r = 0; r < kRows; r++)
            score_group<HEAD_DIM>(scores[r], queries[r], keys, 0, kBlockTokens, scale, g);
        const ValueFragment<HEAD_DIM> now = values;
        if (tile + 1 < end) {
            const size_t next = offset_of(tile + 1);
            keys.load(a.cache.keys + next, g, t);
            values.load(a.cache.values + next, g, t);
        }
#pragma unroll
        for (int r = 0; r < kRows; r++) running[r].add_tile(scores[r], now);
    }
#pragma unroll
    for (int r = 0; r < kRows; r++) {
        running[r].reduce_sum();
        results[warp * kRows + r].put(running[r], g, t);
    }
    __syncthreads();

    for (int i = threadIdx.x; i < item.n_rows * heads * HEAD_DIM; i += kThreads) {
        const int place = i / (heads * HEAD_DIM), head = i / HEAD_DIM % heads, dim = i % HEAD_DIM;
        auto result = [&](int p) -> const WarpPartial<HEAD_DIM>& {
            return results[(p * n_row_warps + place / kRows) * kRows + place % kRows];
        };
        MergedOutput merged;
        for (int p = 0; p < n_parts; p++) merged.max = fmaxf(merged.max, result(p).max[head]);
        for (int p = 0; p < n_parts; p++)
            merged.add(result(p).max[head], result(p).sum[head], result(p).out[head][dim]);
        PrefixPartial<HEAD_DIM>& to =
            partials[(size_t(blockIdx.y) * kSharedPrefixRows + place) * a.shape.n_kv_heads +
                     kv_head];
        to.out[head][dim] = merged.out;
        if (dim == 0) to.max[head] = merged.max, to.sum[head] = merged.sum;
    }
}

template <int HEAD_DIM>
void launch(const DecodeAttentionArgs& a, const SharedPrefixes& shared, float* partials,
            const Stream& stream) {
    LaunchShape shape{dim3(a.shape.n_kv_heads, shared.n_items), kThreads};
    shape.shared_bytes = kWarps * kRowsOfWarp<HEAD_DIM> * sizeof(WarpPartial<HEAD_DIM>);
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
