#include <algorithm>

#include "gpu/attention/grouped_queries.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

// For many rows: a block for each row and KV head, whose warps take a run of tiles each. A warp
// goes through its tiles with an online softmax, the next tile's keys and values on their way
// meanwhile, the first one's before the kernel before has ended; warps meet once, at the end.

constexpr int kWarpsWanted = 132 * 16;  // in all, to have enough in flight

template <int HEAD_DIM, int WARPS>
__global__ void __launch_bounds__(WARPS* kWarp) many_kernel(DecodeAttentionArgs a, float scale) {
    __shared__ GroupResult<HEAD_DIM> results[WARPS];
    allow_next_kernel();
    const int kv_head = blockIdx.x, row = blockIdx.y, heads = a.shape.group();
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int n_context = a.contexts[row];
    if (n_context == 0) return wait_for_previous_kernel();
    const int n_tiles = (n_context + kBlockTokens - 1) / kBlockTokens;
    const int per_warp = (n_tiles + WARPS - 1) / WARPS;
    const int begin = warp * per_warp, end = min(begin + per_warp, n_tiles);
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
    // Only the newest key is of the kernel before; tables and contexts are older.
    const bool is_early = begin < end && begin + 1 < n_tiles;
    if (is_early) load(begin);
    wait_for_previous_kernel();
    if (begin < end && !is_early) load(begin);
    const GroupQueries<HEAD_DIM> queries(
        a.queries + (size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM, heads, g, t);

    GroupRunning<HEAD_DIM> running;
    for (int tile = begin; tile < end; tile++) {
        float scores[4];
        score_group<HEAD_DIM>(scores, queries, keys, tile * kBlockTokens, n_context, scale, g);
        const ValueFragment<HEAD_DIM> now = values;
        if (tile + 1 < end) load(tile + 1);
        running.take(scores, now);
    }
    running.finish();
    results[warp].put(running, g, t);
    __syncthreads();
    for (int i = threadIdx.x; i < heads * HEAD_DIM; i += WARPS * kWarp) {
        const int head = i / HEAD_DIM, dim = i % HEAD_DIM;
        float max = -INFINITY, total = 0, out = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) max = fmaxf(max, results[w].max[head]);
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            const float factor = exp2_flushed(results[w].max[head] - max);
            total += results[w].sum[head] * factor, out += results[w].out[head][dim] * factor;
        }
        a.out[(size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM + i] =
            __float2bfloat16_rn(out / total);
    }
}

template <int HEAD_DIM, int WARPS>
void launch(const DecodeAttentionArgs& a, cudaStream_t stream) {
    LaunchShape shape{dim3(a.shape.n_kv_heads, a.n), WARPS * kWarp};
    shape.carveout_percent = kLargeStepCarveout;
    launch_dependent(many_kernel<HEAD_DIM, WARPS>, shape, stream, a, log2_scale(HEAD_DIM));
}

}  // namespace

void decode_attention_many(const DecodeAttentionArgs& a, cudaStream_t stream) {
    const int warps = kWarpsWanted / (a.shape.n_kv_heads * a.n);
    if (a.shape.head_dim == 64)
        warps >= 16  ? launch<64, 16>(a, stream)
        : warps >= 8 ? launch<64, 8>(a, stream)
                     : launch<64, 4>(a, stream);
    else
        warps >= 8 ? launch<128, 8>(a, stream) : launch<128, 4>(a, stream);
}

}  // namespace qwend
