#pragma once

#include <cstdint>

// cp.async: a thread's copies of 16 bytes from global to shared memory that run while it goes on.
// The one asynchronous copy that sm_80 has too; TMA (tma.cuh) copies whole tiles.
// Source: PTX ISA, cp.async.

namespace qwend {

inline constexpr int kCpAsyncBytes = 16;  // of one copy; both addresses are multiples of it

__device__ inline void cp_async(void* to_shared, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], %2;" ::"r"(
                     uint32_t(__cvta_generic_to_shared(to_shared))),
                 "l"(from), "n"(kCpAsyncBytes)
                 : "memory");
}
/// Ends a group of the calling thread's copies. A group without copies counts too.
__device__ inline void cp_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until all but the last N_LEFT of the calling thread's groups have arrived. What other
/// threads copied is there after they waited and a barrier.
template <int N_LEFT>
__device__ inline void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N_LEFT) : "memory");
}
/// Waits for all of the calling thread's copies, committed or not.
__device__ inline void cp_async_wait_all() {
    asm volatile("cp.async.wait_all;" ::: "memory");
}

}  // namespace qwend
