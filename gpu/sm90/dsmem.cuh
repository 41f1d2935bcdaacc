#pragma once

#include "gpu/sm90/mbarrier.cuh"

// Distributed shared memory (DSMEM): how the blocks of a cluster hand each other partial results. A
// block writes into another's shared memory, and an mbarrier there counts the bytes that have come,
// so the receiver waits for its data alone. A barrier of the whole cluster with release semantics
// would do as well, but its fence takes microseconds while the memory is busy.
// Source: PTX ISA, st.async, cp.async.bulk, mapa and barrier.cluster.

namespace qwend {

/// The address, in block `rank` of the cluster, of what lies at `at` in the caller's block.
__device__ inline uint32_t dsmem_address(const void* at, unsigned rank) {
    uint32_t remote = 0;
#if __CUDA_ARCH__ >= 900
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(shared_address(at)), "r"(rank));
#endif
    return remote;
}

/// Initialises `barrier` and makes its first phase wait for n_bytes from other blocks. Called by
/// one warp, before the barrier of the cluster that the senders wait for.
__device__ inline void init_and_expect(Mbarrier& barrier, uint32_t n_bytes) {
    const bool is_first = threadIdx.x % 32 == 0;
    if (is_first) {
        barrier.init(1);
        Mbarrier::fence_init();
    }
    // One thread does both, so they are in order; compute-sanitizer's racecheck does not see that,
    // because the arrival is relaxed.
    __syncwarp();
    if (is_first) barrier.arrive_expect_tx(n_bytes);
}

/// Stores `value` to `to` in block `rank`, and counts its bytes at that block's barrier.
__device__ inline void st_async(float2* to, float2 value, Mbarrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::
            "r"(dsmem_address(to, rank)),
        "f"(value.x), "f"(value.y), "r"(dsmem_address(&barrier.state, rank))
        : "memory");
#endif
}
__device__ inline void st_async(float* to, float value, Mbarrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(
            dsmem_address(to, rank)),
        "f"(value), "r"(dsmem_address(&barrier.state, rank))
        : "memory");
#endif
}

/// Copies n_bytes, a multiple of 16, to `to` in block `rank`. Called by one thread, after
/// fence_async_shared() by those who wrote them. The copy reads `from` later, so the block may
/// neither overwrite it nor exit before the receiver has the bytes.
__device__ inline void dsmem_copy(void* to, const void* from, uint32_t n_bytes, Mbarrier& barrier,
                                  unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes "
        "[%0], [%1], %2, [%3];" ::"r"(dsmem_address(to, rank)),
        "r"(shared_address(from)), "r"(n_bytes), "r"(dsmem_address(&barrier.state, rank))
        : "memory");
#endif
}

// The barrier of the cluster in two halves, between which a block does what concerns it alone. All
// threads of all its blocks call both. The relaxed arrival orders no memory and so costs no fence:
// it suffices where an mbarrier orders the data itself.

__device__ inline void cluster_arrive_relaxed() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}
__device__ inline void cluster_arrive() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.aligned;" ::: "memory");
#endif
}
__device__ inline void cluster_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
#endif
}

}  // namespace qwend
