#include <algorithm>

#include "gpu/attention/decode_warp.cuh"
#include "gpu/attention/prefix_partial.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

// decode_attention_batched: attention of many rows of one query each over the paged KV cache, and
// decode_attention_suffix: the same of rows whose first tiles decode_attention_shared_prefix did.
//
// What    out (n, q_dim) bf16 = softmax(q · Kᵀ / sqrt(head_dim)) · V, for every row and head;
//         softmax and sums in f32, its weights rounded to bf16 for the second product.
// Grid    (KV heads, rows).
// Block   4 to 16 warps, the fewer the more rows there are. Each takes a run of the context's tiles
//         of 16 keys.
// Shared  the warps' partial results (WarpPartial): static, up to 36 KiB.
// Order   A warp goes through its tiles with an online softmax, the next tile's keys and values on
//         their way to registers meanwhile. The first tile is loaded before the wait for the
//         previous kernel, if that one writes none of its keys. Warps meet once, at the end, where
//         threads merge the partial results in the order of warps, behind those of the prefix.
// When    More than kMaxSplitKvRows rows, which keep the device busy with a block each, and any
//         number before sm_90. For fewer rows decode_attention_split_kv_sm90 is faster.
// Source  Kwon et al. 2023, arXiv:2309.06180 (paged attention).

namespace qwend {

namespace {

constexpr int kWarpsWanted = 132 * 16;  // of the grid, to have enough loads in flight on an H100

/// Merges the partial results of a row and KV head, `n_partials` of its prefix, which are `stride`
/// apart, and one of each warp, and writes the heads' output (n_heads, HEAD_DIM). Called by all
/// threads.
template <int HEAD_DIM, int WARPS>
__device__ void merge_and_write(const WarpPartial<HEAD_DIM>* results,
                                const PrefixPartial<HEAD_DIM>* prefix, int n_partials, int stride,
                                int n_heads, bf16* out) {
    for (int i = threadIdx.x; i < n_heads * HEAD_DIM; i += WARPS * kWarp) {
        const int head = i / HEAD_DIM, dim = i % HEAD_DIM;
        auto partial = [&](int p) -> const PrefixPartial<HEAD_DIM>& {
            return prefix[size_t(p) * stride];
        };
        MergedOutput merged;
#pragma unroll 4
        for (int p = 0; p < n_partials; p++) merged.max = fmaxf(merged.max, partial(p).max[head]);
#pragma unroll
        for (int w = 0; w < WARPS; w++) merged.max = fmaxf(merged.max, results[w].max[head]);
#pragma unroll 4
        for (int p = 0; p < n_partials; p++)
            merged.add(partial(p).max[head], partial(p).sum[head], partial(p).out[head][dim]);
#pragma unroll
        for (int w = 0; w < WARPS; w++)
            merged.add(results[w].max[head], results[w].sum[head], results[w].out[head][dim]);
        out[i] = __float2bfloat16_rn(merged.out / merged.sum);
    }
}

/// SHARES: the first tiles of rows were done, with these results.
template <int HEAD_DIM, int WARPS, bool SHARES>
__global__ void __launch_bounds__(WARPS* kWarp)
    decode_attention_batched_kernel(DecodeAttentionArgs a, float scale, const RowPrefix* prefixes,
                                    const PrefixPartial<HEAD_DIM>* partials) {
    __shared__ WarpPartial<HEAD_DIM> results[WARPS];
    allow_next_kernel();
    const int kv_head = blockIdx.x, row = blockIdx.y, heads = a.shape.group();
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int n_context = a.contexts[row];
    if (n_context == 0) return wait_for_previous_kernel();
    const RowPrefix prefix = SHARES ? prefixes[row] : RowPrefix{};  // else no loop is left of it
    const int n_tiles = (n_context + kBlockTokens - 1) / kBlockTokens;
    const int per_warp = (n_tiles - prefix.n_tiles + WARPS - 1) / WARPS;
    const int begin = prefix.n_tiles + warp * per_warp, end = min(begin + per_warp, n_tiles);
    const int32_t* table = a.block_tables + size_t(a.lanes[row]) * a.table_width;
    auto offset_of = [&](int tile) {
        return (size_t(table[tile]) * a.shape.n_kv_heads + kv_head) * (kBlockTokens * HEAD_DIM);
    };

    KeyFragment<HEAD_DIM> keys;
    ValueFragment<HEAD_DIM> values;
    auto load = [&](int tile) {
        const size_t offset = offset_of(tile);
        keys.load(a.cache.keys + offset, g, t);
        values.load(a.cache.values + offset, g, t);
    };
    // Block tables and contexts are older than the kernel before.
    const bool is_early = begin < end && is_old_tile(begin, n_context);
    if (is_early) load(begin);
    wait_for_previous_kernel();
    if (begin < end && !is_early) load(begin);
    const GroupQueries<HEAD_DIM> queries(
        a.queries + (size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM, heads, g, t);

    GroupOnlineSoftmax<HEAD_DIM> running;
    for (int tile = begin; tile < end; tile++) {
        float scores[4];
        score_group<HEAD_DIM>(scores, queries, keys, tile * kBlockTokens, n_context, scale, g);
        const ValueFragment<HEAD_DIM> now = values;
        if (tile + 1 < end) load(tile + 1);
        running.add_tile(scores, now);
    }
    running.reduce_sum();
    results[warp].put(running, g, t);
    __syncthreads();
    const PrefixPartial<HEAD_DIM>* first =
        SHARES ? partials + size_t(prefix.first_partial) * a.shape.n_kv_heads + kv_head : nullptr;
    merge_and_write<HEAD_DIM, WARPS>(
        results, first, prefix.n_partials, shared_prefix_rows(a.shape) * a.shape.n_kv_heads, heads,
        a.out + (size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM);
}

template <int HEAD_DIM, int WARPS, bool SHARES>
void launch(const DecodeAttentionArgs& a, const RowPrefix* prefixes, const float* partials,
            const Stream& stream) {
    LaunchShape shape{dim3(a.shape.n_kv_heads, a.n), WARPS * kWarp};
    shape.carveout_percent = kLargeStepCarveout;
    launch_dependent(decode_attention_batched_kernel<HEAD_DIM, WARPS, SHARES>, shape, stream, a,
                     log2_scale(HEAD_DIM), prefixes,
                     reinterpret_cast<const PrefixPartial<HEAD_DIM>*>(partials));
}

template <bool SHARES>
void choose(const DecodeAttentionArgs& a, const RowPrefix* prefixes, const float* partials,
            const Stream& stream) {
    SHAPE_CHECK(a.n > 0 && is_attention_shape(a.shape));
    const int warps = kWarpsWanted / (a.shape.n_kv_heads * a.n);
    const auto chosen = a.shape.head_dim == 64
                            ? (warps >= 16  ? launch<64, 16, SHARES>
                               : warps >= 8 ? launch<64, 8, SHARES>
                                            : launch<64, 4, SHARES>)
                            : (warps >= 8 ? launch<128, 8, SHARES> : launch<128, 4, SHARES>);
    chosen(a, prefixes, partials, stream);
}

}  // namespace

void decode_attention_batched(const DecodeAttentionArgs& a, const Stream& stream) {
    choose<false>(a, nullptr, nullptr, stream);
}

void decode_attention_suffix(const DecodeAttentionArgs& a, const SharedPrefixes& shared,
                             const float* partials, const Stream& stream) {
    choose<true>(a, shared.of_row, partials, stream);
}

}  // namespace qwend
