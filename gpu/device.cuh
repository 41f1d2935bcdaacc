#pragma once

#include <cuda_bf16.h>

#include <cstdint>

// What every kernel file shares: warp reductions, 16-byte accesses, the tensor-core product, and
// programmatic dependent launch.

namespace qwend {

inline constexpr int kWarp = 32;  // threads

__device__ inline float warp_sum(float x) {
#pragma unroll
    for (int offset = kWarp / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}

/// The same order of additions in every thread, and so the same bits. `scratch`: one float a warp.
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

/// Barrier of that number, of so many of the block's threads; 0 is that of __syncthreads().
__device__ inline void sync_threads(int barrier, int n) {
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(n) : "memory");
}
/// Arrives without waiting.
__device__ inline void arrive_threads(int barrier, int n) {
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(n) : "memory");
}

/// Weights are read once a step, so they go past L1. Not ".nc", which the assembler may move to
/// after the wait that it is meant to come before.
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

/// c (16, 8) f32 += a (16, 16) bf16 · b (16, 8) bf16. With g = lane / 4 and t = lane % 4:
/// a0: row g, k 2t..2t+1; a1: row g+8, same k; a2: row g, k 2t+8..; a3: row g+8, k 2t+8..;
/// b0: k 2t..2t+1 of column g; b1: k 2t+8..; c0 c1: row g, columns 2t 2t+1; c2 c3: row g+8.
/// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16".
__device__ inline void mma(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                           uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/// The products of rows g (low) and g + 8 (high) with the columns x, summed over steps of 32 of k,
/// in chains: an mma waits for the one before it in its chain.
template <int CHAINS>
struct StepSums {
    float of_chain[CHAINS][4] = {};

    __device__ void add(int step, const uint4& low, const uint4& high, const uint4& x) {
        mma(of_chain[2 * step % CHAINS], low.x, high.x, low.y, high.y, x.x, x.y);
        mma(of_chain[(2 * step + 1) % CHAINS], low.z, high.z, low.w, high.w, x.z, x.w);
    }
    __device__ void total(float (&sum)[4]) const {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum[i] = of_chain[0][i];
#pragma unroll
            for (int c = 1; c < CHAINS; c++) sum[i] += of_chain[c][i];
        }
    }
};

/// Programmatic dependent launch (sm_90): lets the next kernel of the stream start now; waits until
/// the one before has finished and its writes can be seen. Nothing on older devices, where kernels
/// follow each other anyway. Source: CUDA C++ Programming Guide.
__device__ inline void allow_next_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ inline void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace qwend
