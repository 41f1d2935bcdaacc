#pragma once

#include "gpu/sm90/cluster.cuh"
#include "gpu/warp.cuh"

// A row of logits is shared by a cluster of blocks, each with a slice of it in shared memory; here
// is what they do together. On devices before sm_90, which have no clusters, one block does it
// alone.

namespace qwend {

inline constexpr int kSampleThreads = 512;  // two blocks an SM: one reads while the other draws
inline constexpr int kSampleWarps = kSampleThreads / kWarp;  // no more than a warp has threads
inline constexpr int kMaxCluster = 8;

struct ClusterScratch {
    uint64_t warps[kSampleWarps];
    uint64_t blocks[2][kMaxCluster];  // alternately, so that one barrier a use is enough
};

/// All threads of all blocks call these together, in the same order.
class Cluster {
  public:
    __device__ explicit Cluster(ClusterScratch& scratch)
        : scratch_(scratch), rank_(cluster_rank()), size_(cluster_size()) {}

    __device__ unsigned rank() const { return rank_; }

    __device__ uint64_t max(uint64_t x) {
#pragma unroll
        for (int offset = kWarp / 2; offset > 0; offset /= 2) {
            const uint64_t other = __shfl_xor_sync(0xffffffffu, x, offset);
            x = x > other ? x : other;
        }
        const uint64_t* blocks = share(x, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
        for (unsigned i = 0; i < size_; i++) x = x > blocks[i] ? x : blocks[i];
        return x;
    }

    struct Prefix {
        uint64_t before;  // sum of all threads of lower rank, lower block first
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
        const uint64_t* blocks = share(of_warp, [](uint64_t a, uint64_t b) { return a + b; });
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
    /// From one value a warp to one value a block, which every block then has.
    template <class Op>
    __device__ const uint64_t* share(uint64_t x, Op op) {
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

    ClusterScratch& scratch_;
    unsigned rank_, size_, phase_ = 0;
};

}  // namespace qwend
