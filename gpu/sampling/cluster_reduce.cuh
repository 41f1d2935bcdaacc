#pragma once

#include "gpu/sm90/cluster.cuh"
#include "gpu/warp.cuh"

// Reductions over a cluster of blocks, each of which has a slice of a row of logits in shared
// memory: maximum, sum and prefix sum. On devices before sm_90, which have no clusters, one block
// is all.

namespace qwend {

inline constexpr int kSampleThreads = 512;  // two blocks fit an SM: one reads while the other draws
inline constexpr int kSampleWarps = kSampleThreads / kWarp;  // at most a warp's threads
inline constexpr int kMaxCluster = 8;                        // blocks

/// In shared memory, of every block.
struct ReduceScratch {
    uint64_t warps[kSampleWarps];
    uint64_t blocks[2][kMaxCluster];  // used in turns, so that one barrier of the cluster is enough
};

/// All threads of all blocks call these together, in the same order, and all get the result.
class ClusterReducer {
  public:
    __device__ explicit ClusterReducer(ReduceScratch& scratch)
        : scratch_(scratch), rank_(cluster_rank()), size_(cluster_size()) {}

    __device__ unsigned rank() const { return rank_; }

    __device__ uint64_t max(uint64_t x) {
#pragma unroll
        for (int offset = kWarp / 2; offset > 0; offset /= 2) {
            const uint64_t other = __shfl_xor_sync(0xffffffffu, x, offset);
            x = x > other ? x : other;
        }
        const uint64_t* blocks = exchange(x, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
        for (unsigned i = 0; i < size_; i++) x = x > blocks[i] ? x : blocks[i];
        return x;
    }

    struct Prefix {
        uint64_t
            before;  // sum over the lower blocks, and the block's threads before the calling one
        uint64_t total;
    };
    __device__ Prefix prefix(uint64_t x) {
        const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
        uint64_t sum = x;
#pragma unroll
        for (int offset = 1; offset < kWarp; offset *= 2) {
            const uint64_t other = __shfl_up_sync(0xffffffffu, sum, offset);
            if (lane >= offset) sum += other;
        }
        const uint64_t of_warp = __shfl_sync(0xffffffffu, sum, kWarp - 1);
        const uint64_t* blocks = exchange(of_warp, [](uint64_t a, uint64_t b) { return a + b; });
        Prefix result{sum - x, 0};
        for (unsigned i = 0; i < warp; i++) result.before += scratch_.warps[i];
        for (unsigned i = 0; i < size_; i++) {
            if (i < rank_) result.before += blocks[i];
            result.total += blocks[i];
        }
        __syncthreads();  // warps[] is written by the next call
        return result;
    }
    __device__ uint64_t sum(uint64_t x) {
        return prefix(x).total;
    }

  private:
    /// Combines the warps' values, and gives each block the values of all blocks.
    template <class Op>
    __device__ const uint64_t* exchange(uint64_t x, Op op) {
        phase_ ^= 1;
        if (threadIdx.x % kWarp == 0) scratch_.warps[threadIdx.x / kWarp] = x;
        __syncthreads();
        if (threadIdx.x < kWarp) {
            uint64_t all = scratch_.warps[threadIdx.x % kSampleWarps];
#pragma unroll
            for (int offset = kSampleWarps / 2; offset > 0; offset /= 2)
                all = op(all, __shfl_xor_sync(0xffffffffu, all, offset));
            if (threadIdx.x < size_) *dsmem_of(&scratch_.blocks[phase_][rank_], threadIdx.x) = all;
        }
        cluster_sync();
        return scratch_.blocks[phase_];
    }

    ReduceScratch& scratch_;
    unsigned rank_, size_, phase_ = 0;
};

}  // namespace qwend
