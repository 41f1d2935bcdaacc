#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/sm90/tensor_map.h"
#include "gpu/sm90/tma.cuh"
#include "gpu/sm90/wgmma.cuh"

// Prefill attention by the tensor cores' largest product. A block has a tile of rows, 64 a
// warpgroup, which are the pairs (query, head of the group), so that all heads of a group share
// what is read of the cache; warpgroups for which a tile has no rows leave. One warp has the copy
// engine bring steps of 64 keys; a warpgroup multiplies its queries by the keys of the next step
// while the tensor cores still add the values of this one, and others multiply while it takes
// exponentials.
// Source: Shah et al. 2024, arXiv:2407.08608 (FlashAttention-3).

namespace qwend {

namespace {

constexpr int kStages = 4;     // steps in shared memory
constexpr int kStepTiles = 4;  // KV blocks of one
constexpr int kStepKeys = kStepTiles * kBlockTokens;

/// As many warpgroups as registers allow: the fewer blocks, the fewer times the cache is read.
constexpr int warpgroups_of(int head_dim) {
    return head_dim == 64 ? 4 : 3;
}

template <int HEAD_DIM>
struct TileShape {
    static constexpr int kWarpgroups = warpgroups_of(HEAD_DIM);
    static constexpr int kRows = 64 * kWarpgroups;
    static constexpr int kColumns = HEAD_DIM / kSwizzleColumns;  // tiles of 64 columns side by side
    static constexpr int kConsumers = 128 * kWarpgroups;
    static constexpr int kThreads = kConsumers + 128;  // one warp of these copies
};

/// Of the cache, as the copy engine sees it.
struct CacheMaps {
    CUtensorMap keys, values;
};

template <int HEAD_DIM>
struct Step {
    bf16 keys[HEAD_DIM / kSwizzleColumns][kStepKeys * kSwizzleColumns];
    bf16 values[kStepTiles][HEAD_DIM * kBlockTokens];
};

template <int HEAD_DIM>
struct PrefillShared {
    using T = TileShape<HEAD_DIM>;
    bf16 queries[T::kColumns][T::kRows * kSwizzleColumns];
    Step<HEAD_DIM> steps[kStages];
    Mbarrier full[kStages], empty[kStages];
};

/// Keeps the ring of steps full. By one warp.
template <int HEAD_DIM>
__device__ void copy_steps(PrefillShared<HEAD_DIM>& shared, const PrefillAttentionArgs& a,
                           const CacheMaps& maps, const PrefillTile& tile, int n_steps) {
    using T = TileShape<HEAD_DIM>;
    const int lane = threadIdx.x % kWarp, kv_head = blockIdx.x;
    // A thread a copy: of the i-th KV block of a step its values, or some columns of its keys.
    const int i = lane % kStepTiles, what = lane / kStepTiles;
    const int last = (tile.position + tile.n_query - 1) / kBlockTokens;
    const int32_t* table = a.block_tables + size_t(tile.lane) * a.table_width;
    auto block_of = [&](int step) {  // beyond the last key any will do
        return table[min(step * kStepTiles + i, last)];
    };
    if (lane == 0) prefetch_tensor_map(maps.keys), prefetch_tensor_map(maps.values);
    wait_for_previous_kernel();
    fence_async_global();
    int block = block_of(0);
    for (int step = 0, stage = 0, round = 0; step < n_steps; step++) {
        Step<HEAD_DIM>& to = shared.steps[stage];
        Mbarrier& full = shared.full[stage];
        if (round > 0) shared.empty[stage].wait(round - 1);
        if (lane == 0) full.arrive_expect_tx(sizeof to);
        __syncwarp();
        const int of_head = block * a.shape.n_kv_heads + kv_head;
        if (what < T::kColumns)
            tma_load_2d(to.keys[what] + i * kBlockTokens * kSwizzleColumns, maps.keys, full,
                        what * kSwizzleColumns, of_head * kBlockTokens);
        else if (what == T::kColumns)
            tma_load_2d(to.values[i], maps.values, full, 0, of_head * HEAD_DIM);
        block = block_of(step + 1);
        if (++stage == kStages) stage = 0, round++;
    }
}

#if __CUDA_ARCH_FEAT_SM90_ALL

/// 64 rows of a warpgroup, two a thread; see wgmma() for which.
template <int HEAD_DIM>
class WarpgroupRows {
  public:
    __device__ WarpgroupRows(const PrefillAttentionArgs& a, const PrefillTile& tile)
        : a_(a), tile_(tile) {}

    /// To shared memory, as wgmma reads them; zeros for rows that are not there.
    __device__ void load_queries(PrefillShared<HEAD_DIM>& shared) const {
        constexpr int kEights = HEAD_DIM / 8;  // elements that are loaded together
        constexpr int kLoads = 64 * kEights / 128;
        auto row_of = [&](int i) {
            return warpgroup_ * 64 + (int(threadIdx.x) % 128 + i * 128) / kEights;
        };
        const int eight = threadIdx.x % kEights;
        uint4 queries[kLoads];
#pragma unroll
        for (int i = 0; i < kLoads; i++) {  // all under way together
            queries[i] = {};
            if (row_of(i) / a_.shape.group() < tile_.n_query)
                queries[i] =
                    *reinterpret_cast<const uint4*>(a_.queries + head_of(row_of(i)) + 8 * eight);
        }
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            bf16* row = shared.queries[eight / 8] + row_of(i) * kSwizzleColumns;
            *reinterpret_cast<uint4*>(row + 8 * (eight % 8 ^ row_of(i) % 8)) = queries[i];
        }
        fence_async_shared();
        named_barrier_sync(1 + warpgroup_, 128);
    }

    /// Multiplies by the keys of a step; not waited for.
    __device__ void score(const PrefillShared<HEAD_DIM>& shared, const Step<HEAD_DIM>& step) {
        constexpr uint64_t kDepthStep = 32 >> 4;  // 16 columns, in units of 16 bytes
        wgmma_fence();
#pragma unroll
        for (int c = 0; c < HEAD_DIM / kSwizzleColumns; c++) {
            const uint64_t queries =
                smem_descriptor(shared.queries[c] + warpgroup_ * 64 * kSwizzleColumns);
            const uint64_t keys = smem_descriptor(step.keys[c]);
#pragma unroll
            for (int i = 0; i < kSwizzleColumns / 16; i++)
                wgmma(scores_, queries + i * kDepthStep, keys + i * kDepthStep, c + i > 0);
        }
        wgmma_commit();
    }

    /// Makes weights of the scores, once they are there.
    __device__ void soften(int first_key, float scale) {
        // Up to the position of the first query all rows attend to everything.
        if (first_key + kStepKeys - 1 > tile_.position + warpgroup_ * 64 / a_.shape.group())
            mask(first_key);
        float keep[2];
#pragma unroll
        for (int r = 0; r < 2; r++) keep[r] = soften_row(r, scale);
        if (__any_sync(0xffffffffu, keep[0] != 1 || keep[1] != 1))
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) out_[4 * j + i] *= keep[i / 2];
#pragma unroll
        for (int i = 0; i < kStepKeys / 4; i++)
            weights_[i] = pack_bf16(scores_[2 * i], scores_[2 * i + 1]);
    }

    /// Adds the values of a step by their weights; not waited for.
    __device__ void add_values(const Step<HEAD_DIM>& step) {
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < kStepTiles; i++)
            wgmma(out_, weights_ + 4 * i, smem_descriptor<32>(step.values[i]));
        wgmma_commit();
    }

    __device__ void write() const {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float inverse = 1 / row_sum(sum_[r]);
            if (row(r) / a_.shape.group() >= tile_.n_query) continue;
            bf16* out = a_.out + head_of(row(r)) + 2 * (threadIdx.x % 4);
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++)
                *reinterpret_cast<uint32_t*>(out + 8 * j) =
                    pack_bf16(out_[4 * j + 2 * r] * inverse, out_[4 * j + 2 * r + 1] * inverse);
        }
    }

  private:
    // A row's maximum may be so much too small: weights of up to 2^8 are as exact as those up to 1,
    // and what was summed seldom has to be scaled again. FlashAttention-4 does the same.
    static constexpr float kLag = 8;

    /// Where a row's head is, of the queries and of the output.
    __device__ size_t head_of(int row) const {
        const int group = a_.shape.group(), query = tile_.query_begin + row / group;
        return (size_t(query) * a_.shape.n_heads + int(blockIdx.x) * group + row % group) *
               HEAD_DIM;
    }
    __device__ int row(int r) const {
        return int(threadIdx.x) / kWarp * 16 + int(threadIdx.x) % kWarp / 4 + 8 * r;
    }
    __device__ void mask(int first_key) {
        const int t = threadIdx.x % 4;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int last = tile_.position + row(r) / a_.shape.group() - first_key;
#pragma unroll
            for (int j = 0; j < kStepKeys / 8; j++)
#pragma unroll
                for (int c = 0; c < 2; c++)
                    if (8 * j + 2 * t + c > last) scores_[4 * j + 2 * r + c] = -INFINITY;
        }
    }
    /// Returns by what the row's sums so far shrink. Key 0 is every row's: there is a maximum.
    __device__ float soften_row(int r, float scale) {
        float step_max = -INFINITY;
#pragma unroll
        for (int j = 0; j < kStepKeys / 8; j++)
            step_max = fmaxf(step_max, fmaxf(scores_[4 * j + 2 * r], scores_[4 * j + 2 * r + 1]));
        const float step_top = row_max(step_max) * scale;
        const float new_max = step_top > max_[r] + kLag ? step_top : max_[r];
        const float keep = exp2_flushed(max_[r] - new_max);
        float added = 0;
#pragma unroll
        for (int j = 0; j < kStepKeys / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                float& score = scores_[4 * j + 2 * r + c];
                added += score = exp2_flushed(fmaf(score, scale, -new_max));
            }
        sum_[r] = sum_[r] * keep + added;  // of this thread's keys; over the row at the end
        max_[r] = new_max;
        return keep;
    }

    const PrefillAttentionArgs& a_;
    const PrefillTile& tile_;
    const int warpgroup_ = threadIdx.x / 128;
    float max_[2] = {-INFINITY, -INFINITY}, sum_[2] = {};
    float scores_[kStepKeys / 2];
    uint32_t weights_[kStepKeys / 4];
    float out_[HEAD_DIM / 2] = {};
};

template <int HEAD_DIM>
__device__ void attend_steps(PrefillShared<HEAD_DIM>& shared, const PrefillAttentionArgs& a,
                             const PrefillTile& tile, int n_steps, float scale) {
    WarpgroupRows<HEAD_DIM> rows(a, tile);
    wait_for_previous_kernel();
    rows.load_queries(shared);
    shared.full[0].wait(0);
    rows.score(shared, shared.steps[0]);
    wgmma_wait<0>();
    for (int step = 0, stage = 0, round = 0; step < n_steps; step++) {
        const int this_stage = stage;
        if (++stage == kStages) stage = 0, round++;
        rows.soften(step * kStepKeys, scale);
        rows.add_values(shared.steps[this_stage]);
        if (step + 1 < n_steps) {
            shared.full[stage].wait(round);
            rows.score(shared, shared.steps[stage]);
        }
        wgmma_wait<0>();
        if (threadIdx.x % kWarp == 0) shared.empty[this_stage].arrive();
    }
    rows.write();
}

#endif

template <int HEAD_DIM>
__global__ void __launch_bounds__(TileShape<HEAD_DIM>::kThreads, 1)
    prefill_kernel(PrefillAttentionArgs a, const __grid_constant__ CacheMaps maps, float scale) {
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(1024) unsigned char memory[];
    auto& shared = *reinterpret_cast<PrefillShared<HEAD_DIM>*>(memory);
    using T = TileShape<HEAD_DIM>;
    const PrefillTile tile = a.tiles[blockIdx.y];
    if (tile.n_query == 0) return wait_for_previous_kernel();
    const int n_steps = (tile.position + tile.n_query + kStepKeys - 1) / kStepKeys;
    const int n_warpgroups = (tile.n_query * a.shape.group() + 63) / 64;
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; i++)
            shared.full[i].init(1), shared.empty[i].init(n_warpgroups * 4);
        Mbarrier::fence_init();
    }
    __syncthreads();
    // Registers of a thread, in eights: those who copy leave most of what all have at launch.
    constexpr int kAtLaunch = (64 << 10) / T::kThreads / 8 * 8, kOfCopying = 32;
    constexpr int kOfAttending =
        (kAtLaunch * (T::kWarpgroups + 1) - kOfCopying) / T::kWarpgroups / 8 * 8;
    if (threadIdx.x >= T::kConsumers) {
        setmaxnreg_dec<kOfCopying>();
        if (threadIdx.x < T::kConsumers + kWarp)
            copy_steps<HEAD_DIM>(shared, a, maps, tile, n_steps);
    } else {
        setmaxnreg_inc<kOfAttending>();
        if (int(threadIdx.x) / 128 < n_warpgroups)
            attend_steps<HEAD_DIM>(shared, a, tile, n_steps, scale);
    }
#else
    __trap();  // has_wgmma()
#endif
}

template <int HEAD_DIM>
void launch(const PrefillAttentionArgs& a, cudaStream_t stream) {
    using T = TileShape<HEAD_DIM>;
    const CacheMaps maps{
        matrix_tensor_map(a.cache.keys, a.n_blocks * a.shape.n_kv_heads * kBlockTokens, HEAD_DIM,
                          kBlockTokens),
        narrow_tensor_map(a.cache.values, a.n_blocks * a.shape.n_kv_heads * HEAD_DIM, HEAD_DIM)};
    launch_dependent(
        prefill_kernel<HEAD_DIM>,
        {dim3(a.shape.n_kv_heads, a.n_tiles), T::kThreads, sizeof(PrefillShared<HEAD_DIM>)}, stream,
        a, maps, log2_scale(HEAD_DIM));
}

PrefillTileRows tile_rows(int head_dim) {
    return {64, 64 * warpgroups_of(head_dim)};
}

void attend(const PrefillAttentionArgs& a, cudaStream_t stream) {
    if (a.shape.head_dim == 64)
        launch<64>(a, stream);
    else
        launch<128>(a, stream);
}

}  // namespace

const PrefillAttention kWarpgroupPrefill{tile_rows, attend};

}  // namespace qwend
