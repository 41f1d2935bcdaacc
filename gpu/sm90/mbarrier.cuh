#pragma once

#include <cstdint>

// mbarrier: a barrier in shared memory that counts arrivals of threads and bytes of asynchronous
// copies. It goes through phases; one ends when as many threads have arrived as init() said and
// every byte that was announced has come, and the next begins at once. A waiter names a phase by
// its parity, so nobody may fall behind by more than one.
//
// Everything in gpu/sm90/ compiles for sm_80 too, as functions that do nothing; kernels named
// ..._sm90 are not launched there. Source: PTX ISA, "Asynchronous Barrier" (mbarrier).

namespace qwend {

/// The address as PTX wants it: 32 bits within shared memory.
__device__ inline uint32_t shared_address(const void* at) {
    return uint32_t(__cvta_generic_to_shared(at));
}

struct Mbarrier {
    uint64_t state;

    /// Called by one thread. The others may use the barrier after fence_init() and a barrier of the
    /// block (or of the cluster, if its other blocks use it).
    __device__ void init(uint32_t n_arrivals) {
#if __CUDA_ARCH__ >= 900
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&state)),
                     "r"(n_arrivals)
                     : "memory");
#endif
    }
    /// Orders the calling thread's init() before what TMA and the cluster's other blocks do with
    /// the barrier.
    __device__ static void fence_init() {
#if __CUDA_ARCH__ >= 900
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
    }
    /// Arrives, and makes the phase wait for n_bytes of copies besides.
    __device__ void arrive_expect_tx(uint32_t n_bytes) {
#if __CUDA_ARCH__ >= 900
        asm volatile("mbarrier.arrive.expect_tx.relaxed.cta.shared::cta.b64 _, [%0], %1;" ::"r"(
                         shared_address(&state)),
                     "r"(n_bytes)
                     : "memory");
#endif
    }
    __device__ void arrive() {
#if __CUDA_ARCH__ >= 900
        asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&state))
                     : "memory");
#endif
    }
    /// The same at the barrier in this place of block `rank` of the cluster. It orders no memory:
    /// at cluster scope that would be a fence of the whole device.
    __device__ void arrive_at(uint32_t rank) {
#if __CUDA_ARCH__ >= 900
        asm volatile(
            "{\n"
            ".reg .b32 remote;\n"
            "mapa.shared::cluster.u32 remote, %0, %1;\n"
            "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [remote];\n"
            "}" ::"r"(shared_address(&state)),
            "r"(rank)
            : "memory");
#endif
    }
    /// Waits until phase number `phase` (0, 1, …) has ended.
    __device__ void wait(uint32_t phase) {
#if __CUDA_ARCH__ >= 900
        asm volatile(
            "{\n"
            ".reg .pred done;\n"
            "again:\n"
            "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
            "@!done bra again;\n"
            "}" ::"r"(shared_address(&state)),
            "r"(phase & 1)
            : "memory");
#endif
    }
};

/// Orders what the calling thread wrote to shared memory before reads of it by TMA and wgmma, which
/// go through another path (the async proxy) and would else see what was there before.
__device__ inline void fence_async_shared() {
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

}  // namespace qwend
