#pragma once

#include <cstdint>

// Barriers in shared memory that count arrivals and bytes (mbarrier). sm_90 only; empty before.
// Source: PTX ISA, "Asynchronous Barrier".

namespace qwend {

__device__ inline uint32_t shared_address(const void* at) {
    return uint32_t(__cvta_generic_to_shared(at));
}

struct Barrier {
    uint64_t state;

    /// By one thread; make_visible() before anybody else looks. A phase ends when that many have
    /// arrived and every byte expected has come.
    __device__ void init(uint32_t n_arrivals) {
#if __CUDA_ARCH__ >= 900
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&state)),
                     "r"(n_arrivals)
                     : "memory");
#endif
    }
    /// What the calling thread initialised, to the copy engine and to the other blocks of the
    /// cluster once they have met.
    __device__ static void make_visible() {
#if __CUDA_ARCH__ >= 900
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
    }
    /// Arrives, and has the phase wait for so many bytes more.
    __device__ void expect(uint32_t n_bytes) {
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
    /// Until the phase of that number, counted from 0, has ended: it or the next must be under way.
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

/// What the calling thread wrote to shared memory, to the copy engine and to wgmma.
__device__ inline void show_to_copies() {
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

}  // namespace qwend
