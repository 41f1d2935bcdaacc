#include <type_traits>

#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/sm90/tensor_map.h"
#include "gpu/sm90/tma.cuh"
#include "gpu/sm90/wgmma.cuh"

// prefill_attention_wgmma_sm90: attention of tiles of queries over the paged KV cache.
//
// What    out (n, q_dim) bf16 = softmax(q · Kᵀ / sqrt(head_dim)) · V, causal or of all keys;
//         softmax and sums in f32, its weights rounded to bf16 for the second product.
// Grid    (KV heads, tiles of queries). A row of a tile is a pair (query, head of the group), so
//         that all heads of a group share what is read of the cache.
// Block   consumers: four warpgroups of 64 rows with heads of 64, three with 128, as many as there
//         are registers for, because the fewer blocks there are, the fewer times the cache is read;
//         those for which a tile has no rows leave at once. One warp more is the producer, which
//         gives most of its registers to the consumers (setmaxnreg).
// Shared  the queries, and a ring of four stages of 64 keys and values: 96 KiB with heads of 64,
//         176 KiB with 128.
// Order   The producer has TMA fill a stage, a copy for each KV block, and the mbarrier full[stage]
//         counts the bytes; it waits at empty[stage], where every consumer warp arrives once it is
//         done with the stage. A warpgroup starts the scores of the next step while the tensor
//         cores still add the values of this one; while it takes exponentials, the others multiply.
// Softmax A weight is 2^(score - reference), where others take the maximum so far for a reference:
//         any does that is not too far below it, since bf16 keeps as many digits of a large number
//         as of a small one. So nobody looks for the maximum of a step, but for the first, nor
//         scales the output: what the weights of a step come to says whether they are in range. If
//         a row's are not, the warpgroup computes the scores of the step again, and such rows take
//         a reference that fits.
// When    On sm_90 always; prefill_attention_mma is for other devices.
// Source  Shah et al. 2024, arXiv:2407.08608 (FlashAttention-3).

namespace qwend {

namespace {

constexpr int kStages = 4;
constexpr int kStepTiles = 4;  // KV blocks whose keys and values fill a stage
constexpr int kStepKeys = kStepTiles * kBlockTokens;

constexpr int warpgroups_of(int head_dim) {
    return head_dim == 64 ? 4 : 3;
}

template <int HEAD_DIM>
struct TileShape {
    static constexpr int kWarpgroups = warpgroups_of(HEAD_DIM);
    static constexpr int kRows = 64 * kWarpgroups;
    static constexpr int kColumnTiles = HEAD_DIM / kSwizzleColumns;  // of 64 columns, side by side
    static constexpr int kConsumerThreads = 128 * kWarpgroups;
    static constexpr int kThreads = kConsumerThreads + 128;  // the producer is one warp of these
};

/// The cache as TMA sees it.
struct CacheMaps {
    CUtensorMap keys, values;
};

template <int HEAD_DIM>
struct KvStage {
    bf16 keys[HEAD_DIM / kSwizzleColumns][kStepKeys * kSwizzleColumns];
    bf16 values[kStepTiles][HEAD_DIM * kBlockTokens];
};

template <int HEAD_DIM>
struct PrefillShared {
    using T = TileShape<HEAD_DIM>;
    bf16 queries[T::kColumnTiles][T::kRows * kSwizzleColumns];
    KvStage<HEAD_DIM> stages[kStages];
    Mbarrier full[kStages], empty[kStages];  // TMA has filled the stage; consumers have read it
};

/// The producer. Called by one warp.
template <int HEAD_DIM>
__device__ void produce(PrefillShared<HEAD_DIM>& shared, const PrefillAttentionArgs& a,
                        const CacheMaps& maps, const PrefillTile& tile, int n_steps) {
    using T = TileShape<HEAD_DIM>;
    const int lane = threadIdx.x % kWarp, kv_head = blockIdx.x;
    // Each thread has a copy of its own: the values of the step's i-th KV block, or 64 columns of
    // its keys.
    const int i = lane % kStepTiles, what = lane / kStepTiles;
    const int last = (tile.n_keys - 1) / kBlockTokens;
    const int32_t* table = a.block_tables + size_t(tile.lane) * a.table_width;
    auto block_of = [&](int step) {  // beyond the last key any block will do: it is masked
        return table[min(step * kStepTiles + i, last)];
    };
    if (lane == 0) prefetch_tensor_map(maps.keys), prefetch_tensor_map(maps.values);
    wait_for_previous_kernel();
    fence_async_global();
    int block = block_of(0);
    for (int step = 0, stage = 0, phase = 0; step < n_steps; step++) {
        KvStage<HEAD_DIM>& to = shared.stages[stage];
        Mbarrier& full = shared.full[stage];
        if (phase > 0) shared.empty[stage].wait(phase - 1);
        if (lane == 0) full.arrive_expect_tx(sizeof to);
        __syncwarp();
        const int of_head = block * a.shape.n_kv_heads + kv_head;
        if (what < T::kColumnTiles)
            tma_load_2d(to.keys[what] + i * kBlockTokens * kSwizzleColumns, maps.keys, full,
                        what * kSwizzleColumns, of_head * kBlockTokens);
        else if (what == T::kColumnTiles)
            tma_load_2d(to.values[i], maps.values, full, 0, of_head * HEAD_DIM);
        block = block_of(step + 1);
        if (++stage == kStages) stage = 0, phase++;
    }
}

#if __CUDA_ARCH_FEAT_SM90_ALL

/// Attention of the 64 rows of a warpgroup, of which a thread has two; see wgmma() for which. Calls
/// go by steps: start_scores, wgmma_wait, weigh (and raise_references), start_values.
template <int HEAD_DIM, bool CAUSAL>
class WarpgroupQueries {
    using Stage = KvStage<HEAD_DIM>;

  public:
    __device__ WarpgroupQueries(const PrefillAttentionArgs& a, const PrefillTile& tile,
                                const PrefillShared<HEAD_DIM>& shared, float scale)
        : a_(a),
          tile_(tile),
          scale_(scale),
          queries_(shared.queries[0] + threadIdx.x / 128 * 64 * kSwizzleColumns),
          keys_(shared.stages[0].keys),
          values_(shared.stages[0].values) {}

    /// Loads the queries to shared memory, swizzled as wgmma reads them; zeros for rows that are
    /// not there.
    __device__ void load_queries(PrefillShared<HEAD_DIM>& shared) const {
        constexpr int kVectors = HEAD_DIM / 8;  // of a row: eight elements, one load
        constexpr int kLoads = 64 * kVectors / 128;
        auto row_of = [&](int i) {
            return warpgroup_ * 64 + (int(threadIdx.x) % 128 + i * 128) / kVectors;
        };
        const int vector = threadIdx.x % kVectors;
        uint4 queries[kLoads];
#pragma unroll
        for (int i = 0; i < kLoads; i++) {  // all loads are under way together
            queries[i] = {};
            if (row_of(i) / a_.shape.group() < tile_.n_query)
                queries[i] =
                    *reinterpret_cast<const uint4*>(a_.queries + head_of(row_of(i)) + 8 * vector);
        }
#pragma unroll
        for (int i = 0; i < kLoads; i++) {
            bf16* row = shared.queries[vector / 8] + row_of(i) * kSwizzleColumns;
            *reinterpret_cast<uint4*>(row + 8 * (vector % 8 ^ row_of(i) % 8)) = queries[i];
        }
        fence_async_shared();
        named_barrier_sync(1 + warpgroup_, 128);
    }

    /// Starts the scores of a stage; wgmma_wait() waits for them.
    __device__ void start_scores(int stage) {
        constexpr int kColumns = TileShape<HEAD_DIM>::kRows * kSwizzleColumns * int(sizeof(bf16));
        wgmma_fence();
#pragma unroll
        for (int c = 0; c < HEAD_DIM / kSwizzleColumns; c++)
#pragma unroll
            for (int i = 0; i < kSwizzleColumns / 16; i++)  // 16 columns of 2 bytes at a time
                wgmma(
                    scores_, queries_.at(c * kColumns + 32 * i),
                    keys_.at(stage * int(sizeof(Stage)) + c * int(sizeof Stage{}.keys[0]) + 32 * i),
                    c + i > 0);
        wgmma_commit();
    }

    /// Steps, counted from the first, of which every row sees all keys.
    __device__ int n_unmasked_steps() const {
        return (last_key(warpgroup_ * 64) + 1) / kStepKeys;
    }

    /// Makes weights of the scores. False if those of a row are out of range: then they count for
    /// nothing, and start_scores() and raise_references() have to follow.
    template <bool MASKED>
    __device__ bool weigh(int first_key) {
        if constexpr (MASKED) mask(first_key);
        float added[2];
#pragma unroll
        for (int r = 0; r < 2; r++) added[r] = exponentials(r), fits_[r] = added[r] < kMostWeight;
        if (named_barrier_any(1 + warpgroup_, 128, !fits_[0] || !fits_[1])) return false;
#pragma unroll
        for (int r = 0; r < 2; r++) sum_[r] += added[r];
        pack_weights();
        return true;
    }

    /// Takes the maximum of the scores as the reference of the rows whose weights did not fit, or
    /// of all before the first step, and makes weights. What others have does not change.
    template <bool MASKED>
    __device__ void raise_references(int first_key) {
        if constexpr (MASKED) mask(first_key);
        float keep[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float largest_score = row_max(largest(r)) * scale_;
            const float reference = fits_everywhere(r) ? reference_[r] : largest_score;
            keep[r] = exp2_ftz(reference_[r] - reference);
            reference_[r] = reference;
            sum_[r] = sum_[r] * keep[r] + exponentials(r);
        }
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) out_[4 * j + i] *= keep[i / 2];
        pack_weights();
    }

    /// Starts output += weights · values of a stage; wgmma_wait() waits for it.
    __device__ void start_values(int stage) {
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < kStepTiles; i++)
            wgmma(out_, weights_ + 4 * i,
                  values_.at(stage * int(sizeof(Stage)) + i * int(sizeof Stage{}.values[0])));
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
    // What a thread's weights of a row and a step may come to. So many of a whole context, times
    // values of up to 2^40, are still a finite sum.
    static constexpr float kMostWeight = 0x1p64f;

    /// Where the head of a row begins in the queries and in the output.
    __device__ size_t head_of(int row) const {
        const int group = a_.shape.group(), query = tile_.query_begin + row / group;
        return (size_t(query) * a_.shape.n_heads + int(blockIdx.x) * group + row % group) *
               HEAD_DIM;
    }
    __device__ int row(int r) const {
        return int(threadIdx.x) / kWarp * 16 + int(threadIdx.x) % kWarp / 4 + 8 * r;
    }
    /// That a row sees.
    __device__ int last_key(int row) const {
        return CAUSAL ? tile_.n_keys - tile_.n_query + row / a_.shape.group() : tile_.n_keys - 1;
    }
    __device__ void mask(int first_key) {
        const int t = threadIdx.x % 4;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int last = last_key(row(r)) - first_key;
#pragma unroll
            for (int j = 0; j < kStepKeys / 8; j++)
#pragma unroll
                for (int c = 0; c < 2; c++)
                    if (8 * j + 2 * t + c > last) scores_[4 * j + 2 * r + c] = -INFINITY;
        }
    }
    /// Of the thread's scores of one of its rows. There is one, because every row has key 0.
    __device__ float largest(int r) const {
        float largest = -INFINITY;
#pragma unroll
        for (int j = 0; j < kStepKeys / 8; j++)
            largest = fmaxf(largest, fmaxf(scores_[4 * j + 2 * r], scores_[4 * j + 2 * r + 1]));
        return largest;
    }
    /// Whether the weights of one of the thread's rows fitted, in all four threads that have it.
    __device__ bool fits_everywhere(int r) const {
        return (__ballot_sync(0xffffffffu, !fits_[r]) >> threadIdx.x % kWarp / 4 * 4 & 15) == 0;
    }
    /// Makes weights of the scores of a row, and adds them up.
    __device__ float exponentials(int r) {
        float added = 0;
#pragma unroll
        for (int j = 0; j < kStepKeys / 8; j++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                float& score = scores_[4 * j + 2 * r + c];
                added += score = exp2_ftz(fmaf(score, scale_, -reference_[r]));
            }
        return added;
    }
    __device__ void pack_weights() {
#pragma unroll
        for (int i = 0; i < kStepKeys / 4; i++)
            weights_[i] = pack_bf16(scores_[2 * i], scores_[2 * i + 1]);
    }

    const PrefillAttentionArgs& a_;
    const PrefillTile& tile_;
    const float scale_;
    const int warpgroup_ = __shfl_sync(0xffffffffu, int(threadIdx.x / 128), 0);
    SmemDescriptors<> queries_, keys_;  // of the first stage
    SmemDescriptors<32> values_;
    bool fits_[2] = {};
    float reference_[2] = {-INFINITY, -INFINITY}, sum_[2] = {};
    float scores_[kStepKeys / 2];
    uint32_t weights_[kStepKeys / 4];
    float out_[HEAD_DIM / 2] = {};
};

/// A consumer. Called by one warpgroup.
template <int HEAD_DIM, bool CAUSAL>
__device__ void consume(PrefillShared<HEAD_DIM>& shared, const PrefillAttentionArgs& a,
                        const PrefillTile& tile, int n_steps, float scale) {
    WarpgroupQueries<HEAD_DIM, CAUSAL> rows(a, tile, shared, scale);
    wait_for_previous_kernel();
    rows.load_queries(shared);
    shared.full[0].wait(0);
    const int n_unmasked = min(rows.n_unmasked_steps(), n_steps);
    rows.start_scores(0);
    wgmma_wait<0>();
    n_unmasked > 0 ? rows.template raise_references<false>(0)
                   : rows.template raise_references<true>(0);
    rows.start_values(0);
    int step = 1, stage = 0, phase = 0;
    auto take_step = [&](auto masked) {
        constexpr bool kMasked = decltype(masked)::value;
        const int last_stage = stage;
        if (++stage == kStages) stage = 0, phase++;
        shared.full[stage].wait(phase);
        rows.start_scores(stage);
        wgmma_wait<0>();  // and for the values of the step before
        if (threadIdx.x % kWarp == 0) shared.empty[last_stage].arrive();
        if (!rows.template weigh<kMasked>(step * kStepKeys)) {
            rows.start_scores(stage);
            wgmma_wait<0>();
            rows.template raise_references<kMasked>(step * kStepKeys);
        }
        rows.start_values(stage);
    };
    for (; step < n_unmasked; step++) take_step(std::false_type{});
    for (; step < n_steps; step++) take_step(std::true_type{});
    wgmma_wait<0>();
    rows.write();
}

#endif

template <int HEAD_DIM, bool CAUSAL>
__global__ void __launch_bounds__(TileShape<HEAD_DIM>::kThreads, 1)
    prefill_attention_wgmma_sm90_kernel(PrefillAttentionArgs a,
                                        const __grid_constant__ CacheMaps maps, float scale) {
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(1024) unsigned char memory[];
    auto& shared = *reinterpret_cast<PrefillShared<HEAD_DIM>*>(memory);
    using T = TileShape<HEAD_DIM>;
    const PrefillTile tile = a.tiles[blockIdx.y];
    if (tile.n_query == 0) return wait_for_previous_kernel();
    const int n_steps = (tile.n_keys + kStepKeys - 1) / kStepKeys;
    const int n_warpgroups = (tile.n_query * a.shape.group() + 63) / 64;
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; i++)
            shared.full[i].init(1), shared.empty[i].init(n_warpgroups * 4);
        Mbarrier::fence_init();
    }
    __syncthreads();
    // Registers of a thread, multiples of 8: the producer leaves most of what all have at launch.
    constexpr int kAtLaunch = (64 << 10) / T::kThreads / 8 * 8, kOfProducer = 32;
    constexpr int kOfConsumers =
        (kAtLaunch * (T::kWarpgroups + 1) - kOfProducer) / T::kWarpgroups / 8 * 8;
    if (threadIdx.x >= T::kConsumerThreads) {
        setmaxnreg_dec<kOfProducer>();
        if (threadIdx.x < T::kConsumerThreads + kWarp)
            produce<HEAD_DIM>(shared, a, maps, tile, n_steps);
    } else {
        setmaxnreg_inc<kOfConsumers>();
        if (int(threadIdx.x) / 128 < n_warpgroups)
            consume<HEAD_DIM, CAUSAL>(shared, a, tile, n_steps, scale);
    }
#else
    __trap();  // launched where !Device::has_wgmma
#endif
}

template <int HEAD_DIM, bool CAUSAL>
void launch(const PrefillAttentionArgs& a, const Stream& stream) {
    using T = TileShape<HEAD_DIM>;
    const CacheMaps maps{
        matrix_tensor_map(a.cache.keys, a.n_blocks * a.shape.n_kv_heads * kBlockTokens, HEAD_DIM,
                          kBlockTokens),
        narrow_tensor_map(a.cache.values, a.n_blocks * a.shape.n_kv_heads * HEAD_DIM, HEAD_DIM)};
    launch_dependent(
        prefill_attention_wgmma_sm90_kernel<HEAD_DIM, CAUSAL>,
        {dim3(a.shape.n_kv_heads, a.n_tiles), T::kThreads, sizeof(PrefillShared<HEAD_DIM>)}, stream,
        a, maps, log2_scale(HEAD_DIM));
}

PrefillTileRows tile_rows(int head_dim) {
    return {64, 64 * warpgroups_of(head_dim)};
}

void attend(const PrefillAttentionArgs& a, const Stream& stream) {
    SHAPE_CHECK(stream.device().has_wgmma && a.n_tiles > 0 && a.n_blocks > 0 &&
                is_attention_shape(a.shape));
    if (a.shape.head_dim == 64)
        (a.is_causal ? launch<64, true> : launch<64, false>)(a, stream);
    else
        (a.is_causal ? launch<128, true> : launch<128, false>)(a, stream);
}

}  // namespace

const PrefillAttention kPrefillWgmmaSm90{tile_rows, attend};

}  // namespace qwend
