#pragma once

#include <cstdint>

namespace qwend {

// Copies from global to shared memory that run while the thread goes on (PTX ISA, cp.async).

inline constexpr int kCopyBytes = 16;  // of one; both addresses are multiples of it

__device__ inline void copy_async(void* to_shared, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], %2;" ::"r"(
                     uint32_t(__cvta_generic_to_shared(to_shared))),
                 "l"(from), "n"(kCopyBytes)
                 : "memory");
}
/// Ends a group of the thread's copies; empty ones count.
__device__ inline void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until all but the last N_LEFT of the thread's groups have arrived. Other threads' copies
/// are there after a barrier.
template <int N_LEFT>
__device__ inline void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N_LEFT) : "memory");
}

/// Waits for all of the thread's copies, of groups that were not ended too.
__device__ inline void wait_for_all_copies() {
    asm volatile("cp.async.wait_all;" ::: "memory");
}

}  // namespace qwend
