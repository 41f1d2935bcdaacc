#pragma once

#include "gpu/linear/weight_stages_sm90.cuh"
#include "gpu/linear/wgmma_sm90_epilogues.cuh"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/sm90/dsmem.cuh"
#include "gpu/sm90/tensor_map.h"
#include "gpu/sm90/tma.cuh"
#include "gpu/sm90/wgmma.cuh"

// What a block of linear_wgmma_sm90_kernel does; wgmma_sm90.cu says what it is for, and launches
// it. Names: a group is 16 weight rows (weight_map.h), a fragment eight rows of x, a stage 64
// columns of k of both tiles.

namespace qwend {

inline constexpr int kMaxStages = 8;
inline constexpr int kHelperWarps = 4;  // the producer and three that make scales
inline constexpr int kFragmentRows = 8;

/// Partial sums of a group and a fragment, pairs of low and high, as one block hands them to
/// another. Padded, so that threads that write them from registers meet different banks, and of
/// those that read no more than two meet at one.
struct PartialTile {
    float2 of_row[kFragmentRows][10];
    float2 padding[2];
};

#if __CUDA_ARCH_FEAT_SM90_ALL
/// A warpgroup's sums of 64 weight rows and ROWS rows of x, in registers.
template <int ROWS>
struct WgmmaAccumulator {
    float sums[ROWS / 2];

    /// Of fragment j, element i of the thread's four; see wgmma() for which.
    __device__ float at(int j, int i) const { return sums[4 * j + i]; }
    /// Starts the products of a stage and commits them; wgmma_wait() waits for them.
    __device__ void add(const void* weights, const void* input, bool adds) {
        constexpr uint64_t kStep = 32 >> 4;  // 16 columns, in a descriptor's units of 16 bytes
        const uint64_t a = smem_descriptor(weights), b = smem_descriptor(input);
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++) wgmma(sums, a + i * kStep, b + i * kStep, adds || i > 0);
        wgmma_commit();
    }
    /// The same of 64 columns of weights in registers.
    __device__ void add(const uint32_t (&weights)[4][4], const void* input, bool adds) {
        constexpr uint64_t kStep = 32 >> 4;
        const uint64_t b = smem_descriptor(input);
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++) wgmma(sums, weights[i], b + i * kStep, adds || i > 0);
        wgmma_commit();
    }
    /// Adds others, times a factor for low rows and one for their partners.
    __device__ void add(const WgmmaAccumulator& products, float2 factors) {
#pragma unroll
        for (int i = 0; i < ROWS / 2; i++)
            sums[i] = fmaf(i % 4 < 2 ? factors.x : factors.y, products.sums[i], sums[i]);
    }
};
#endif

/// How a product is cut into tiles and slices. Slices of k follow from the shape of the weights
/// alone, so that the order of additions, and so a row's bits, do too.
struct WgmmaPlan {
    int n_rows, n_groups, groups_per_offset;  // rows of x; groups of W; see weight_map.h
    int k, n_k_steps, k_steps_per_slice;      // k steps have the columns of a stage
    int n_stages;
};

/// What a block has in shared memory beside tiles.
template <int ROWS>
struct WgmmaControl {
    float scales[ROWS];
    Mbarrier full[kMaxStages],
        empty[kMaxStages];  // of a stage: TMA has filled it; warps have read it
    Mbarrier received;      // all other blocks' partial sums have come
};

/// A block's shared memory behind the ring of stages, in bytes: where the partial sums of other
/// blocks and the control data begin, and the size of all.
struct WgmmaSharedLayout {
    int received, control, total;
};

template <class Stages, int WARPGROUPS, int ROWS>
struct WgmmaBlockShape {
    static constexpr int kGroups = 4 * WARPGROUPS;  // of a block
    static constexpr int kConsumerThreads = 128 * WARPGROUPS;
    static constexpr int kScaleThreads = (kHelperWarps - 1) * kWarp;
    static constexpr int kThreads = kConsumerThreads + kHelperWarps * kWarp;
    static constexpr int kConsumersBarrier = 1, kScalesBarrier = 2;
    static constexpr int kCopiedWeightBytes = kGroups * Stages::kGroupBytes;
    static constexpr int kWeightBytes = (kCopiedWeightBytes + 1023) / 1024 * 1024;  // swizzled
    static constexpr int kSubtileBytes = ROWS * kSwizzleColumns * 2;  // x, of 64 columns
    static constexpr int kInputBytes = Stages::kColumns / kSwizzleColumns * kSubtileBytes;
    static constexpr int kStageBytes = kWeightBytes + kInputBytes;
    static constexpr int kFragments = ROWS / kFragmentRows;
    // Of quantised weights, whether sums of two stages are in registers beside those of all: where
    // there is one block an SM.
    static constexpr bool kAlternates = Stages::kIsPacked && ROWS == 128;
    static constexpr int kBlocksPerSm =
        WARPGROUPS * ROWS * (Stages::kIsPacked ? 2 : 1) <= 128 ? 2 : 1;
    // Registers of a consumer and of a helper, where an even share is too few for the former.
    static constexpr bool kMovesRegisters = kAlternates && WARPGROUPS == 2;
    static constexpr int kConsumerRegisters = 240, kHelperRegisters = 24;

    /// Partial tiles that a block gets from each of a cluster's n_blocks: fragments are dealt in
    /// turn.
    __host__ __device__ static int tiles_from_each(int n_blocks) {
        return (kFragments + n_blocks - 1) / n_blocks * kGroups;
    }
    /// A block first writes its partial sums where the ring was. The sums of a cluster of one stay
    /// there.
    __host__ __device__ static WgmmaSharedLayout memory(int n_stages, int n_blocks) {
        const int ring = n_stages * kStageBytes;
        const int sums = n_blocks * tiles_from_each(n_blocks) * int(sizeof(PartialTile));
        const int both = ring > sums ? ring : sums;
        return n_blocks == 1 ? WgmmaSharedLayout{0, both, both + int(sizeof(WgmmaControl<ROWS>))}
                             : WgmmaSharedLayout{both, both + sums,
                                                 both + sums + int(sizeof(WgmmaControl<ROWS>))};
    }
};

/// `Epilogue`: one of wgmma_sm90_epilogues.cuh.
template <class Stages, int WARPGROUPS, int ROWS, class Epilogue>
class WgmmaBlock {
  public:
    using S = WgmmaBlockShape<Stages, WARPGROUPS, ROWS>;

    __device__ WgmmaBlock(unsigned char* shared, const WgmmaPlan& plan)
        : plan_(plan),
          rank_(int(blockIdx.x)),
          n_blocks_(int(gridDim.x)),
          first_row_(int(blockIdx.y) * ROWS),
          n_rows_(min(ROWS, plan.n_rows - first_row_)),
          first_group_(int(blockIdx.z) * S::kGroups),
          first_k_step_(rank_ * plan.k_steps_per_slice),
          n_k_steps_(min(plan.k_steps_per_slice, plan.n_k_steps - first_k_step_)),
          ring_(shared) {
        n_own_fragments_ = fragments_of(rank_);
        const WgmmaSharedLayout memory = S::memory(plan.n_stages, n_blocks_);
        received_ = reinterpret_cast<PartialTile*>(shared + memory.received);
        control_ = reinterpret_cast<WgmmaControl<ROWS>*>(shared + memory.control);
    }

    __device__ void init_barriers() {
        if (threadIdx.x == 0) {
            for (int i = 0; i < plan_.n_stages; i++) {
                control_->full[i].init(1);
                control_->empty[i].init(S::kConsumerThreads / kWarp);
            }
            control_->received.init(1);
            Mbarrier::fence_init();
            if (n_blocks_ > 1 && n_own_fragments_ > 0)
                control_->received.arrive_expect_tx((n_blocks_ - 1) *
                                                    partial_bytes(n_own_fragments_));
        }
        __syncthreads();
        if (n_blocks_ > 1) cluster_arrive_relaxed();
    }

    /// The producer: has TMA fill the stages of the ring, in turn, as they are read. Weights of the
    /// first stages come before the wait for the previous kernel, since they depend on nothing.
    /// Called by one thread.
    __device__ void produce(const Stages& weights, const CUtensorMap& input) {
        weights.prefetch();
        prefetch_tensor_map(input);
        const int n_first = min(plan_.n_stages, n_k_steps_);
        for (int i = 0; i < n_first; i++) copy_weights(weights, i, i);
        wait_for_previous_kernel();
        fence_async_global();
        for (int i = 0; i < n_first; i++) copy_input(input, i, i);
        for (int i = n_first, stage = 0, phase = 0; i < n_k_steps_; i++) {
            control_->empty[stage].wait(phase);
            copy_weights(weights, stage, i);
            copy_input(input, stage, i);
            if (++stage == plan_.n_stages) stage = 0, phase++;
        }
    }

    /// Makes 1 / rms of the rows of x whose sums this block finishes, a thread a row.
    __device__ void make_rms_scales(const LinearInput& input, int thread) {
        wait_for_previous_kernel();
        const int n = input.squares ? (plan_.k + kWgmmaSquareWidth - 1) / kWgmmaSquareWidth : 0;
        for (int i = thread; i < n_own_fragments_ * kFragmentRows; i += S::kScaleThreads) {
            const int row = own_row(i);
            if (row >= n_rows_) continue;
            const float* squares = input.squares + size_t(first_row_ + row) * n;
            float sum = 0;
#pragma unroll 16
            for (int j = 0; j < n; j++) sum += squares[j];
            control_->scales[row] = n > 0 ? rsqrtf(sum / float(plan_.k) + input.eps) : 1;
        }
        __syncwarp();
        named_barrier_arrive(S::kScalesBarrier, S::kConsumerThreads + S::kScaleThreads);
    }

    /// The consumers: multiply the stages and run the epilogue. Called by all warpgroups but the
    /// last four warps.
    __device__ void consume(const Epilogue& epilogue) {
#if __CUDA_ARCH_FEAT_SM90_ALL
        wait_for_previous_kernel();
        if constexpr (Epilogue::kFromRegisters)
            store_fragments(epilogue);
        else
            reduce_and_store(epilogue);
#endif
    }

  private:
    // Whether registers are left, beside the sums, for what the first result needs.
    static constexpr bool kPreparesFirst = ROWS * (Stages::kIsPacked ? 2 : 1) <= 64;

    /// The i-th quad that this block finishes.
    __device__ OutputQuad quad_of(int i) const {
        const int group = i % S::kGroups, row = own_row(i / (2 * S::kGroups));
        return {first_group_ + group, i / S::kGroups % 2, first_row_ + row,
                row < n_rows_ && first_group_ + group < plan_.n_groups};
    }
    /// The i-th row of x, within the tile, whose sums this block finishes: fragments rank, rank +
    /// n_blocks and so on are its own.
    __device__ int own_row(int i) const {
        return (rank_ + i / kFragmentRows * n_blocks_) * kFragmentRows + i % kFragmentRows;
    }
    /// How many fragments block `rank` finishes.
    __device__ int fragments_of(int rank) const {
        const int n_fragments = (n_rows_ + kFragmentRows - 1) / kFragmentRows;
        return n_fragments > rank ? (n_fragments - rank + n_blocks_ - 1) / n_blocks_ : 0;
    }
    __device__ static uint32_t partial_bytes(int n_fragments) {
        return uint32_t(n_fragments * S::kGroups * int(sizeof(PartialTile)));
    }
    /// Partial tiles lie by block, to which they go or from which they came; then by the fragment's
    /// number among that block's own, or this one's; then by group.
    __device__ PartialTile& partial_tile(void* tiles, int block, int own_fragment,
                                         int group) const {
        return static_cast<PartialTile*>(
            tiles)[block * S::tiles_from_each(n_blocks_) + own_fragment * S::kGroups + group];
    }
    __device__ void copy_weights(const Stages& weights, int stage, int k_step) {
        control_->full[stage].arrive_expect_tx(S::kCopiedWeightBytes + S::kInputBytes);
        weights.copy(ring_ + stage * S::kStageBytes, control_->full[stage], first_k_step_ + k_step,
                     first_group_ % plan_.groups_per_offset,
                     first_group_ / plan_.groups_per_offset);
    }
    __device__ void copy_input(const CUtensorMap& map, int stage, int k_step) {
        unsigned char* to = ring_ + stage * S::kStageBytes + S::kWeightBytes;
#pragma unroll
        for (int i = 0; i < S::kInputBytes / S::kSubtileBytes; i++)
            tma_load_2d(to + i * S::kSubtileBytes, map, control_->full[stage],
                        (first_k_step_ + k_step) * Stages::kColumns + i * kSwizzleColumns,
                        first_row_);
    }

#if __CUDA_ARCH_FEAT_SM90_ALL
    /// Of a block that has all of k: the epilogue takes the sums from registers.
    __device__ void store_fragments(const Epilogue& epilogue) {
        WgmmaAccumulator<ROWS> sums;
        multiply(sums);
        // The ring is not read any more, and the scales are there.
        named_barrier_sync(S::kScalesBarrier, S::kConsumerThreads + S::kScaleThreads);
        const int group = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int j = 0; j < S::kFragments; j++) {
            if (!Epilogue::kThroughShared && j * kFragmentRows >= n_rows_) break;
            const int row = j * kFragmentRows + 2 * t;
            const float2 scales = *reinterpret_cast<const float2*>(control_->scales + row);
            const FragmentPair pair{{sums.at(j, 0) * scales.x, sums.at(j, 1) * scales.y},
                                    {sums.at(j, 2) * scales.x, sums.at(j, 3) * scales.y},
                                    first_row_ + row,
                                    {row < n_rows_, row + 1 < n_rows_}};
            if constexpr (Epilogue::kThroughShared)
                *staged(row + g % 2, group, g / 2) = epilogue.two_columns(pair, g);
            else if (first_group_ + group < plan_.n_groups)
                epilogue.finish(pair, first_group_ + group, g);
        }
        if constexpr (Epilogue::kThroughShared) write_staged(epilogue);
    }

    /// Where two columns of a result wait in shared memory, over the ring, until whole groups of
    /// columns are written to global memory.
    __device__ uint32_t* staged(int row, int group, int two) const {
        constexpr int kRow = (S::kGroups + 1) * 4;  // one more: rows begin at different banks
        return reinterpret_cast<uint32_t*>(ring_) + row * kRow + group * 4 + two;
    }
    __device__ void write_staged(const Epilogue& epilogue) const {
        named_barrier_sync(S::kConsumersBarrier, S::kConsumerThreads);
        for (int i = threadIdx.x; i < n_rows_ * S::kGroups; i += S::kConsumerThreads) {
            const int group = i % S::kGroups, row = i / S::kGroups;
            if (first_group_ + group < plan_.n_groups)
                *epilogue.group_columns(first_group_ + group, first_row_ + row) =
                    *reinterpret_cast<const uint4*>(staged(row, group, 0));
        }
    }

    /// Of a cluster that shares k: each block adds the partial sums of its own fragments, in the
    /// order of slices, and the epilogue takes the sums quad by quad.
    __device__ void reduce_and_store(const Epilogue& epilogue) {
        const int n_quads =
            n_own_fragments_ * kFragmentRows * S::kGroups * 2;  // a multiple of a warp's threads
        typename Epilogue::State state;
        int i = threadIdx.x;
        if (kPreparesFirst) epilogue.prepare(state, quad_of(i));
        WgmmaAccumulator<ROWS> sums;
        multiply(sums);
        exchange_partials(sums);
        named_barrier_sync(S::kScalesBarrier, S::kConsumerThreads + S::kScaleThreads);
#pragma unroll 2
        for (; i < n_quads; i += S::kConsumerThreads) {
            const OutputQuad quad = quad_of(i);
            if (!kPreparesFirst || i != int(threadIdx.x)) epilogue.prepare(state, quad);
            float low[4], high[4];
            total(i, quad.in_bounds ? control_->scales[quad.row - first_row_] : 0, low, high);
            epilogue.template finish<S::kGroups>(state, quad, low, high);
        }
        __syncwarp();
        if (n_blocks_ > 1) cluster_wait();  // the other blocks have read what was here for them
    }

    /// Multiplies all stages. One product stays under way while the next stage is waited for; a
    /// stage is given back to the producer when the product after its own has begun.
    __device__ void multiply(WgmmaAccumulator<ROWS>& sums) {
        if constexpr (Stages::kIsPacked)
            multiply_packed(sums);
        else
            multiply_dense(sums);
    }
    __device__ void multiply_dense(WgmmaAccumulator<ROWS>& sums) {
        const int own_weights = threadIdx.x / 128 * (4 * 16 * kSwizzleColumns * 2);
        int stage = 0, phase = 0, last_stage = 0;
        for (int i = 0; i < n_k_steps_; i++) {
            control_->full[stage].wait(phase);
            const unsigned char* tiles = ring_ + stage * S::kStageBytes;
            sums.add(tiles + own_weights, tiles + S::kWeightBytes, i > 0);
            if (i > 0) {
                wgmma_wait<1>();
                if (threadIdx.x % kWarp == 0) control_->empty[last_stage].arrive();
            }
            last_stage = stage;
            if (++stage == plan_.n_stages) stage = 0, phase++;
        }
        wgmma_wait<0>();
        __syncwarp();
    }

    /// The same of quantised weights, which go through registers: half a stage is unpacked while
    /// the half before it is multiplied. Sums of a stage are of whole numbers, and are added times
    /// their scales.
    __device__ void multiply_packed(WgmmaAccumulator<ROWS>& sums) {
#pragma unroll
        for (float& sum : sums.sums) sum = 0;
        PackedPipeline pipeline;
        if constexpr (S::kAlternates)
            multiply_alternating(sums, pipeline);
        else
            multiply_in_turn(sums, pipeline);
        __syncwarp();
    }

    /// Where the multiplication of quantised weights is.
    struct PackedPipeline {
        PackedGroup<Stages::Steps::kKind> group;
        uint32_t first[4][4], second[4][4];  // halves of a stage, unpacked
        int stage = 0, phase = 0, last_stage = 0;
        float2 last_factors{};
    };
    /// Multiplies a stage; finish_last() is called when the stage before it has been.
    template <class Finish>
    __device__ void multiply_stage(PackedPipeline& at, WgmmaAccumulator<ROWS>& products,
                                   Finish finish_last) {
        control_->full[at.stage].wait(at.phase);
        const unsigned char* tiles = ring_ + at.stage * S::kStageBytes;
        at.group.load(tiles, threadIdx.x / kWarp, S::kGroups);
        wgmma_wait<1>();  // the first half of the stage before
        at.group.unpack(0, at.first);
        if constexpr (!S::kAlternates) finish_last();
        products.add(at.first, tiles + S::kWeightBytes, false);
        if constexpr (S::kAlternates) finish_last();
        at.group.unpack(1, at.second);
        products.add(at.second, tiles + S::kWeightBytes + S::kSubtileBytes, true);
        at.last_factors = at.group.factors();
        at.last_stage = at.stage;
        if (++at.stage == plan_.n_stages) at.stage = 0, at.phase++;
    }
    /// The sums of a stage are added before the next one is multiplied: the block beside this one
    /// multiplies meanwhile.
    __device__ void multiply_in_turn(WgmmaAccumulator<ROWS>& sums, PackedPipeline& at) {
        WgmmaAccumulator<ROWS> products;
        for (int i = 0; i < n_k_steps_; i++)
            multiply_stage(at, products, [&] {
                if (i == 0) return;
                wgmma_wait<0>();
                finish_stage(sums, at, products);
            });
        wgmma_wait<0>();
        sums.add(products, at.last_factors);
    }
    /// They are added while the next one is multiplied, for which there are other registers.
    /// Written so that ptxas sees which sums are ready: it would wait for all else.
    __device__ void multiply_alternating(WgmmaAccumulator<ROWS>& sums, PackedPipeline& at) {
        WgmmaAccumulator<ROWS> even, odd;
        auto finish = [&](const WgmmaAccumulator<ROWS>& products) {
            wgmma_wait<1>();
            finish_stage(sums, at, products);
        };
        multiply_stage(at, even, [] { wgmma_wait<1>(); });
        int i = 1;
        for (; i + 1 < n_k_steps_; i += 2) {
            multiply_stage(at, odd, [&] { finish(even); });
            multiply_stage(at, even, [&] { finish(odd); });
        }
        if (i < n_k_steps_) {
            multiply_stage(at, odd, [&] { finish(even); });
            wgmma_wait<0>();
            sums.add(odd, at.last_factors);
        } else {
            wgmma_wait<0>();
            sums.add(even, at.last_factors);
        }
    }
    __device__ void finish_stage(WgmmaAccumulator<ROWS>& sums, const PackedPipeline& at,
                                 const WgmmaAccumulator<ROWS>& products) {
        if (threadIdx.x % kWarp == 0) control_->empty[at.last_stage].arrive();
        sums.add(products, at.last_factors);
    }

    /// Writes the partial sums to shared memory, copies each block's to it, and waits until those
    /// of this block's own fragments have come. The block's share of them stays where it is.
    __device__ void exchange_partials(const WgmmaAccumulator<ROWS>& sums) {
        const int group = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        named_barrier_sync(S::kConsumersBarrier,
                           S::kConsumerThreads);  // the ring is not read any more
        int to = 0, own_fragment = 0;             // j / n_blocks_ of block j % n_blocks_
#pragma unroll
        for (int j = 0; j < S::kFragments; j++) {
            if (j * kFragmentRows < n_rows_) {
                PartialTile& there = partial_tile(ring_, to, own_fragment, group);
                there.of_row[2 * t][g] = {sums.at(j, 0), sums.at(j, 2)};
                there.of_row[2 * t + 1][g] = {sums.at(j, 1), sums.at(j, 3)};
            }
            if (++to == n_blocks_) to = 0, own_fragment++;
        }
        if (n_blocks_ == 1) return;
        fence_async_shared();
        named_barrier_sync(S::kConsumersBarrier, S::kConsumerThreads);
        cluster_wait();
        to = int(threadIdx.x);
        if (to < n_blocks_ && to != rank_ && fragments_of(to) > 0)
            dsmem_copy(&partial_tile(received_, rank_, 0, 0), &partial_tile(ring_, to, 0, 0),
                       partial_bytes(fragments_of(to)), control_->received, unsigned(to));
        __syncwarp();
        if (n_own_fragments_ > 0) control_->received.wait(0);
        __syncwarp();
        cluster_arrive_relaxed();
    }
#endif

    /// The sums of the i-th quad, added block by block, times the row's scale.
    __device__ void total(int i, float scale, float (&low)[4], float (&high)[4]) const {
        const int group = i % S::kGroups, half = i / S::kGroups % 2, row = i / (2 * S::kGroups);
#pragma unroll
        for (int k = 0; k < 4; k++) low[k] = high[k] = 0;
#pragma unroll 4
        for (int from = 0; from < n_blocks_; from++) {
            const PartialTile& sums =
                partial_tile(from == rank_ ? ring_ : reinterpret_cast<unsigned char*>(received_),
                             from, row / kFragmentRows, group);
            const auto* pairs =
                reinterpret_cast<const float4*>(&sums.of_row[row % kFragmentRows][4 * half]);
            const float4 first = pairs[0], second = pairs[1];
            low[0] += first.x, high[0] += first.y, low[1] += first.z, high[1] += first.w;
            low[2] += second.x, high[2] += second.y, low[3] += second.z, high[3] += second.w;
        }
#pragma unroll
        for (int k = 0; k < 4; k++) low[k] *= scale, high[k] *= scale;
    }

    const WgmmaPlan& plan_;
    const int rank_, n_blocks_;  // in the cluster
    const int first_row_, n_rows_, first_group_, first_k_step_, n_k_steps_;
    unsigned char* const ring_;
    PartialTile* received_;
    WgmmaControl<ROWS>* control_;
    int n_own_fragments_;  // of which this block makes results
};

}  // namespace qwend
