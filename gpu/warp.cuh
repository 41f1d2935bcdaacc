#pragma once

#include <cuda_bf16.h>

#include <cstdint>

// What every kernel file shares: sums of a warp and of a block, named barriers, 16-byte accesses.

namespace qwend {

inline constexpr int kWarp = 32;  // threads

/// The sum of x over the warp, in every lane.
__device__ inline float warp_sum(float x) {
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}

/// The sum of x over the block, in every thread, with the same order of additions and so the same
/// bits. `scratch`: shared, one float a warp.
template <int N_THREADS>
__device__ inline float block_sum(float x, float* scratch) {
    constexpr int n_warps = N_THREADS / kWarp;
    x = warp_sum(x);
    if constexpr (n_warps > 1) {
        if (threadIdx.x % kWarp == 0) scratch[threadIdx.x / kWarp] = x;
        __syncthreads();
        x = 0;
#pragma unroll
        for (int i = 0; i < n_warps; i++) x += scratch[i];
        __syncthreads();
    }
    return x;
}

/// Named barrier: waits until n threads of the block have come to barrier number `barrier`, which
/// is 1 to 15; 0 is that of __syncthreads(). Source: PTX ISA, bar.sync.
__device__ inline void named_barrier_sync(int barrier, int n) {
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(n) : "memory");
}
/// The same, and whether any of them says so. Source: PTX ISA, bar.red.or.
__device__ inline bool named_barrier_any(int barrier, int n, bool says) {
    int any;
    asm volatile(
        "{\n"
        ".reg .pred says;\n"
        "setp.ne.b32 says, %1, 0;\n"
        "bar.red.or.pred says, %2, %3, says;\n"
        "selp.b32 %0, 1, 0, says;\n"
        "}"
        : "=r"(any)
        : "r"(int(says)), "r"(barrier), "r"(n)
        : "memory");
    return __any_sync(0xffffffffu, any);  // the compiler learns that a warp has one answer
}
/// Counts the calling thread at the barrier without waiting there.
__device__ inline void named_barrier_arrive(int barrier, int n) {
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(n) : "memory");
}

/// Loads 16 bytes past L1, for weights, which a step reads once. The load is not ".nc": ptxas may
/// move such a one to after wait_for_previous_kernel(), which it is meant to come before.
__device__ inline uint4 load_streaming(const void* address) {
    uint4 v;
    asm volatile("ld.global.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(address)
                 : "memory");
    return v;
}

__device__ inline uint32_t pack_bf16(float low, float high) {
    __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return reinterpret_cast<uint32_t&>(pair);
}

__device__ inline float2 unpack_bf16(uint32_t pair) {
    return __bfloat1622float2(reinterpret_cast<__nv_bfloat162&>(pair));
}

}  // namespace qwend
