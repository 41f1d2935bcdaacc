#pragma once

#include "gpu/sm90/mbarrier.cuh"

// How the blocks of a cluster hand each other results: a block pushes values into another's shared
// memory, where a barrier counts the bytes that have come. No fence of the cluster is needed, which
// under load takes microseconds (a cluster barrier with release semantics has one). sm_90 only;
// empty before. Source: PTX ISA, st.async, cp.async.bulk and mbarrier.

namespace qwend {

/// The same place in another block of the cluster.
__device__ inline uint32_t address_in(const void* at, unsigned rank) {
    uint32_t remote = 0;
#if __CUDA_ARCH__ >= 900
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(shared_address(at)), "r"(rank));
#endif
    return remote;
}

/// Makes `barrier` count what is pushed to this block. By one warp, before the cluster meets for
/// the first time.
__device__ inline void expect_pushes(Barrier& barrier, uint32_t n_bytes) {
    const bool is_first = threadIdx.x % 32 == 0;
    if (is_first) {
        barrier.init(1);
        Barrier::make_visible();
    }
    // For racecheck, which sees no order between the two: the arrival is relaxed. They are one
    // thread's.
    __syncwarp();
    if (is_first) barrier.expect(n_bytes);
}

/// Writes to `to` of block `rank` of the cluster, and counts it at that block's barrier.
__device__ inline void push(float2* to, float2 value, Barrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::
            "r"(address_in(to, rank)),
        "f"(value.x), "f"(value.y), "r"(address_in(&barrier.state, rank))
        : "memory");
#endif
}
__device__ inline void push(float* to, float value, Barrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(
            address_in(to, rank)),
        "f"(value), "r"(address_in(&barrier.state, rank))
        : "memory");
#endif
}

/// Many bytes, a multiple of 16, by the copy engine, which reads them later: they were shown to it,
/// and the block stays until they have come. By one thread.
__device__ inline void push_bytes(void* to, const void* from, uint32_t n_bytes, Barrier& barrier,
                                  unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes "
        "[%0], [%1], %2, [%3];" ::"r"(address_in(to, rank)),
        "r"(shared_address(from)), "r"(n_bytes), "r"(address_in(&barrier.state, rank))
        : "memory");
#endif
}
/// All threads of all blocks. Between the two a block may go on with what is its own. Relaxed: of
/// what came before, only what the barrier of pushes orders itself is ordered.
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
