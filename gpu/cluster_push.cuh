#pragma once

#include <cstdint>

// How the blocks of a cluster hand each other results: a block pushes values into another's shared
// memory, where a barrier counts the bytes that have come. No fence is needed, which under load
// takes microseconds (a cluster barrier with release semantics has one). sm_90 only; empty before.
// Source: PTX ISA, st.async and mbarrier.

namespace qwend {

__device__ inline uint32_t shared_address(const void* at) {
    return uint32_t(__cvta_generic_to_shared(at));
}

/// The same place in another block of the cluster.
__device__ inline uint32_t address_in(const void* at, unsigned rank) {
    uint32_t remote = 0;
#if __CUDA_ARCH__ >= 900
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(shared_address(at)), "r"(rank));
#endif
    return remote;
}

/// Counts what is pushed to this block. One for each use: it is not reset.
struct PushBarrier {
    uint64_t state;

    /// By one warp, before the cluster meets for the first time.
    __device__ void expect(uint32_t n_bytes) {
#if __CUDA_ARCH__ >= 900
        const bool is_first = threadIdx.x % 32 == 0;
        if (is_first) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&state))
                         : "memory");
            asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        }
        __syncwarp();
        if (is_first) expect_again(n_bytes);
#endif
    }
    /// By one thread, when the last push was waited for.
    __device__ void expect_again(uint32_t n_bytes) {
#if __CUDA_ARCH__ >= 900
        asm volatile("mbarrier.arrive.expect_tx.relaxed.cta.shared::cta.b64 _, [%0], %1;" ::"r"(
                         shared_address(&state)),
                     "r"(n_bytes)
                     : "memory");
#endif
    }
    /// By every thread that reads what was pushed; `use` counts the expectations from 0.
    __device__ void wait(uint32_t use) {
#if __CUDA_ARCH__ >= 900
        asm volatile(
            "{\n"
            ".reg .pred done;\n"
            "again:\n"
            "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
            "@!done bra again;\n"
            "}" ::"r"(shared_address(&state)),
            "r"(use & 1)
            : "memory");
#endif
    }
};

/// Writes to `to` of block `rank` of the cluster, and counts it at that block's barrier.
__device__ inline void push(float2* to, float2 value, PushBarrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::
            "r"(address_in(to, rank)),
        "f"(value.x), "f"(value.y), "r"(address_in(&barrier.state, rank))
        : "memory");
#endif
}
__device__ inline void push(float* to, float value, PushBarrier& barrier, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(
            address_in(to, rank)),
        "f"(value), "r"(address_in(&barrier.state, rank))
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
