#pragma once

#include "gpu/linear/wgmma_sm90_epilogues.cuh"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/sm90/dsmem.cuh"
#include "gpu/sm90/tensor_map.h"
#include "gpu/sm90/tma.cuh"
#include "gpu/sm90/wgmma.cuh"

// A block multiplies a tile of weights (64 rows a warpgroup, the A side) by a tile of input (ROWS,
// the B side). One thread keeps a ring of stages full, 64 columns of both tiles each; the
// warpgroups multiply; three warps make the scales of RMSNorm meanwhile.
//
// Where blocks share k, those of a cluster have a part each of the same tiles. Each takes
// some eights of input rows, of which it gets the others' sums and adds them in order. A block that
// has all of k makes results of the sums in its registers, where the output allows it.

namespace qwend {

inline constexpr int kMaxStages = 8;
inline constexpr int kHelperWarps = 4;  // the copying one and three for scales
inline constexpr int kEight = 8;        // rows of input that go together

/// Sums of 16 rows of weights and eight of input: pairs of low and high. Padded so that those who
/// write them from registers do not meet at a bank, and of those who read no more than two do.
struct SumUnit {
    float2 of_row[kEight][10];
    float2 padding[2];
};

#if __CUDA_ARCH_FEAT_SM90_ALL
/// Sums of 64 rows of weights and ROWS of input, over steps of 64 of k.
template <int ROWS>
struct WarpgroupSums {
    static constexpr int kAtATime = ROWS < 128 ? ROWS : 128;
    float of_part[ROWS / kAtATime][kAtATime / 2];

    /// Element i of the thread's of columns 8 j ... 8 j + 7; see wgmma().
    __device__ float at(int j, int i) const {
        return of_part[8 * j / kAtATime][4 * j % (kAtATime / 2) + i];
    }
    /// A step, not waited for.
    __device__ void add(const void* weights, const void* input, bool adds) {
        constexpr uint64_t kStep = 32 >> 4;  // of 16 columns, in units of 16 bytes
        const uint64_t a = smem_descriptor(weights), b = smem_descriptor(input);
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int p = 0; p < ROWS / kAtATime; p++)
                wgmma(of_part[p], a + i * kStep, b + i * kStep + p * (kAtATime * 128 >> 4),
                      adds || i > 0);
        wgmma_commit();
    }
};
#endif

/// How a product is cut; k by the shape of the weights alone, so that a row's bits are too.
struct ManyPlan {
    int n_rows, n_groups, groups_a_run;  // of input; of 16 weight rows
    int k, n_steps, steps_each;          // steps of 64 columns; of a block
    int n_stages;
};

/// Beside the tiles.
template <int ROWS>
struct ManySmall {
    float scales[ROWS];
    Mbarrier full[kMaxStages], empty[kMaxStages], received;
};

/// A block's shared memory after the ring of stages: offsets, and bytes in all.
struct ManyMemory {
    int received, small, total;
};

template <int WARPGROUPS, int ROWS>
struct ManyShape {
    static constexpr int kGroups = 4 * WARPGROUPS;  // of a block
    static constexpr int kConsumers = 128 * WARPGROUPS;
    static constexpr int kScaleThreads = (kHelperWarps - 1) * kWarp;
    static constexpr int kThreads = kConsumers + kHelperWarps * kWarp;
    static constexpr int kConsumersBarrier = 1, kScalesBarrier = 2;
    static constexpr int kWeightBytes = kGroups * 16 * kSwizzleColumns * 2;
    static constexpr int kStageBytes = kWeightBytes + ROWS * kSwizzleColumns * 2;
    static constexpr int kEights = ROWS / kEight;
    static constexpr int kBlocksAnSm = WARPGROUPS * ROWS <= 128 ? 2 : 1;

    /// Units that a block takes from each of n_blocks.
    __host__ __device__ static int units_of(int n_blocks) {
        return (kEights + n_blocks - 1) / n_blocks * kGroups;
    }
    /// Where its sums go first lies over the ring; of a block alone they stay there.
    __host__ __device__ static ManyMemory memory(int n_stages, int n_blocks) {
        const int ring = n_stages * kStageBytes;
        const int sums = n_blocks * units_of(n_blocks) * int(sizeof(SumUnit));
        const int both = ring > sums ? ring : sums;
        return n_blocks == 1
                   ? ManyMemory{0, both, both + int(sizeof(ManySmall<ROWS>))}
                   : ManyMemory{both, both + sums, both + sums + int(sizeof(ManySmall<ROWS>))};
    }
};

/// `Out`: one of rows_many_outputs.cuh.
template <int WARPGROUPS, int ROWS, class Out>
class ManyBlock {
  public:
    using S = ManyShape<WARPGROUPS, ROWS>;

    __device__ ManyBlock(unsigned char* shared, const ManyPlan& plan)
        : plan_(plan),
          rank_(int(blockIdx.x)),
          n_blocks_(int(gridDim.x)),
          first_row_(int(blockIdx.y) * ROWS),
          n_here_(min(ROWS, plan.n_rows - first_row_)),
          first_group_(int(blockIdx.z) * S::kGroups),
          first_step_(rank_ * plan.steps_each),
          n_steps_(min(plan.steps_each, plan.n_steps - first_step_)),
          ring_(shared) {
        n_own_ = eights_of(rank_);
        const ManyMemory memory = S::memory(plan.n_stages, n_blocks_);
        received_ = reinterpret_cast<SumUnit*>(shared + memory.received);
        small_ = reinterpret_cast<ManySmall<ROWS>*>(shared + memory.small);
    }

    __device__ void init_barriers() {
        if (threadIdx.x == 0) {
            for (int i = 0; i < plan_.n_stages; i++) {
                small_->full[i].init(1);
                small_->empty[i].init(S::kConsumers / kWarp);
            }
            small_->received.init(1);
            Mbarrier::fence_init();
            if (n_blocks_ > 1 && n_own_ > 0)
                small_->received.arrive_expect_tx((n_blocks_ - 1) * unit_bytes(n_own_));
        }
        __syncthreads();
        if (n_blocks_ > 1) cluster_arrive_relaxed();
    }

    /// Keeps the ring full. By one thread.
    __device__ void copy(const CUtensorMap& weights, const CUtensorMap& input) {
        prefetch_tensor_map(weights);
        prefetch_tensor_map(input);
        const int n_first = min(plan_.n_stages, n_steps_);
        for (int i = 0; i < n_first; i++) copy_weights(weights, i, i);
        wait_for_previous_kernel();
        fence_async_global();
        for (int i = 0; i < n_first; i++) copy_input(input, i, i);
        for (int i = n_first, stage = 0, round = 0; i < n_steps_; i++) {
            small_->empty[stage].wait(round);
            copy_weights(weights, stage, i);
            copy_input(input, stage, i);
            if (++stage == plan_.n_stages) stage = 0, round++;
        }
    }

    /// 1 / rms of the rows whose sums this block finishes, a thread each.
    __device__ void make_scales(const RowInput& input, int thread) {
        wait_for_previous_kernel();
        const int n = input.squares ? (plan_.k + kManySquareWidth - 1) / kManySquareWidth : 0;
        for (int i = thread; i < n_own_ * kEight; i += S::kScaleThreads) {
            const int row = own_row(i);
            if (row >= n_here_) continue;
            const float* squares = input.squares + size_t(first_row_ + row) * n;
            float sum = 0;
#pragma unroll 16
            for (int j = 0; j < n; j++) sum += squares[j];
            small_->scales[row] = n > 0 ? rsqrtf(sum / float(plan_.k) + input.eps) : 1;
        }
        __syncwarp();
        named_barrier_arrive(S::kScalesBarrier, S::kConsumers + S::kScaleThreads);
    }

    __device__ void multiply_and_finish(const Out& out) {
#if __CUDA_ARCH_FEAT_SM90_ALL
        wait_for_previous_kernel();
        if constexpr (Out::kIsDirect)
            finish_own(out);
        else
            finish_shared(out);
#endif
    }

  private:
    // The sums leave registers for what the first result needs.
    static constexpr bool kPreparesFirst = ROWS <= 64;

    /// Of the i-th four pairs that this block finishes.
    __device__ ManySpot spot_of(int i) const {
        const int group = i % S::kGroups, row = own_row(i / (2 * S::kGroups));
        return {first_group_ + group, i / S::kGroups % 2, first_row_ + row,
                row < n_here_ && first_group_ + group < plan_.n_groups};
    }
    /// The i-th row of input whose sums this block finishes.
    __device__ int own_row(int i) const {
        return (rank_ + i / kEight * n_blocks_) * kEight + i % kEight;
    }
    /// How many eights of rows block `rank` finishes.
    __device__ int eights_of(int rank) const {
        const int n_eights = (n_here_ + kEight - 1) / kEight;
        return n_eights > rank ? (n_eights - rank + n_blocks_ - 1) / n_blocks_ : 0;
    }
    __device__ static uint32_t unit_bytes(int n_eights) {
        return uint32_t(n_eights * S::kGroups * int(sizeof(SumUnit)));
    }
    /// Units by block, to which they go or from which they came; eight of rows; and group.
    __device__ SumUnit& unit(void* units, int block, int own_eight, int group) const {
        return static_cast<SumUnit*>(
            units)[block * S::units_of(n_blocks_) + own_eight * S::kGroups + group];
    }
    __device__ void copy_weights(const CUtensorMap& map, int stage, int step) {
        small_->full[stage].arrive_expect_tx(S::kStageBytes);
        tma_load_5d(ring_ + stage * S::kStageBytes, map, small_->full[stage],
                    (first_step_ + step) * kSwizzleColumns, 0, 0, first_group_ % plan_.groups_a_run,
                    first_group_ / plan_.groups_a_run);
    }
    __device__ void copy_input(const CUtensorMap& map, int stage, int step) {
        tma_load_2d(ring_ + stage * S::kStageBytes + S::kWeightBytes, map, small_->full[stage],
                    (first_step_ + step) * kSwizzleColumns, first_row_);
    }

#if __CUDA_ARCH_FEAT_SM90_ALL
    __device__ void finish_own(const Out& out) {
        WarpgroupSums<ROWS> sums;
        multiply(sums);
        // The ring is not read any more, and the scales are there.
        named_barrier_sync(S::kScalesBarrier, S::kConsumers + S::kScaleThreads);
        const int group = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int j = 0; j < S::kEights; j++) {
            if (!Out::kIsStaged && j * kEight >= n_here_) break;
            const int row = j * kEight + 2 * t;
            const float2 scales = *reinterpret_cast<const float2*>(small_->scales + row);
            const ManyPair pair{{sums.at(j, 0) * scales.x, sums.at(j, 1) * scales.y},
                                {sums.at(j, 2) * scales.x, sums.at(j, 3) * scales.y},
                                first_row_ + row,
                                {row < n_here_, row + 1 < n_here_}};
            if constexpr (Out::kIsStaged)
                *staged(row + g % 2, group, g / 2) = Out::two_columns(pair, g);
            else if (first_group_ + group < plan_.n_groups)
                out.finish(pair, first_group_ + group, g);
        }
        if constexpr (Out::kIsStaged) write_staged(out);
    }

    /// Two columns of an output that goes through shared memory, where the ring was, because memory
    /// wants more of a row at a time than a warp has.
    __device__ uint32_t* staged(int row, int group, int two) const {
        constexpr int kRow = (S::kGroups + 1) * 4;  // one more: rows begin at different banks
        return reinterpret_cast<uint32_t*>(ring_) + row * kRow + group * 4 + two;
    }
    __device__ void write_staged(const Out& out) const {
        named_barrier_sync(S::kConsumersBarrier, S::kConsumers);
        for (int i = threadIdx.x; i < n_here_ * S::kGroups; i += S::kConsumers) {
            const int group = i % S::kGroups, row = i / S::kGroups;
            if (first_group_ + group < plan_.n_groups)
                *out.eight_columns(first_group_ + group, first_row_ + row) =
                    *reinterpret_cast<const uint4*>(staged(row, group, 0));
        }
    }

    __device__ void finish_shared(const Out& out) {
        const int n_spots = n_own_ * kEight * S::kGroups * 2;  // a multiple of a warp's threads
        typename Out::State state;
        int i = threadIdx.x;
        if (kPreparesFirst) out.prepare(state, spot_of(i));
        WarpgroupSums<ROWS> sums;
        multiply(sums);
        hand_on(sums);
        named_barrier_sync(S::kScalesBarrier, S::kConsumers + S::kScaleThreads);
#pragma unroll 2
        for (; i < n_spots; i += S::kConsumers) {
            const ManySpot spot = spot_of(i);
            if (!kPreparesFirst || i != int(threadIdx.x)) out.prepare(state, spot);
            float low[4], high[4];
            total(i, spot.is_there ? small_->scales[spot.row - first_row_] : 0, low, high);
            out.template finish<S::kGroups>(state, spot, low, high);
        }
        __syncwarp();
        if (n_blocks_ > 1) cluster_wait();  // others have what was here for them
    }

    __device__ void multiply(WarpgroupSums<ROWS>& sums) {
        const int own_weights = threadIdx.x / 128 * (4 * 16 * kSwizzleColumns * 2);
        int stage = 0, round = 0, last_stage = 0;
        for (int i = 0; i < n_steps_; i++) {
            small_->full[stage].wait(round);
            const unsigned char* tiles = ring_ + stage * S::kStageBytes;
            sums.add(tiles + own_weights, tiles + S::kWeightBytes, i > 0);
            if (i > 0) {
                wgmma_wait<1>();
                if (threadIdx.x % kWarp == 0) small_->empty[last_stage].arrive();
            }
            last_stage = stage;
            if (++stage == plan_.n_stages) stage = 0, round++;
        }
        wgmma_wait<0>();
        __syncwarp();
    }

    /// Gives the sums to who finishes them, and waits for those that this block does. Its own stay
    /// where they are.
    __device__ void hand_on(const WarpgroupSums<ROWS>& sums) {
        const int group = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        named_barrier_sync(S::kConsumersBarrier, S::kConsumers);  // the ring is not read any more
        int to = 0, own_eight = 0;  // j / n_blocks_ of block j % n_blocks_
#pragma unroll
        for (int j = 0; j < S::kEights; j++) {
            if (j * kEight < n_here_) {
                SumUnit& there = unit(ring_, to, own_eight, group);
                there.of_row[2 * t][g] = {sums.at(j, 0), sums.at(j, 2)};
                there.of_row[2 * t + 1][g] = {sums.at(j, 1), sums.at(j, 3)};
            }
            if (++to == n_blocks_) to = 0, own_eight++;
        }
        if (n_blocks_ == 1) return;
        fence_async_shared();
        named_barrier_sync(S::kConsumersBarrier, S::kConsumers);
        cluster_wait();
        to = int(threadIdx.x);
        if (to < n_blocks_ && to != rank_ && eights_of(to) > 0)
            dsmem_copy(&unit(received_, rank_, 0, 0), &unit(ring_, to, 0, 0),
                       unit_bytes(eights_of(to)), small_->received, unsigned(to));
        __syncwarp();
        if (n_own_ > 0) small_->received.wait(0);
        __syncwarp();
        cluster_arrive_relaxed();
    }
#endif

    __device__ void total(int i, float scale, float (&low)[4], float (&high)[4]) const {
        const int group = i % S::kGroups, part = i / S::kGroups % 2, row = i / (2 * S::kGroups);
#pragma unroll
        for (int k = 0; k < 4; k++) low[k] = high[k] = 0;
#pragma unroll 4
        for (int from = 0; from < n_blocks_; from++) {
            const SumUnit& sums =
                unit(from == rank_ ? ring_ : reinterpret_cast<unsigned char*>(received_), from,
                     row / kEight, group);
            const auto* pairs =
                reinterpret_cast<const float4*>(&sums.of_row[row % kEight][4 * part]);
            const float4 first = pairs[0], second = pairs[1];
            low[0] += first.x, high[0] += first.y, low[1] += first.z, high[1] += first.w;
            low[2] += second.x, high[2] += second.y, low[3] += second.z, high[3] += second.w;
        }
#pragma unroll
        for (int k = 0; k < 4; k++) low[k] *= scale, high[k] *= scale;
    }

    const ManyPlan& plan_;
    const int rank_, n_blocks_;  // in the cluster
    const int first_row_, n_here_, first_group_, first_step_, n_steps_;
    unsigned char* const ring_;
    SumUnit* received_;
    ManySmall<ROWS>* small_;
    int n_own_;  // eights of input rows whose sums this block finishes
};

}  // namespace qwend
