#pragma once

#include <cstdint>

// mma.sync: the tensor cores' product of a warp, on every device from sm_80 on.

namespace qwend {

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

/// The same with c = a · b.
__device__ inline void mma_first(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                 uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
        : "=f"(c[0]), "=f"(c[1]), "=f"(c[2]), "=f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(0.f));
}

/// Four matrices of 8 by 8 bf16 from shared memory, lane l giving where row l % 8 of matrix l / 8
/// is, 16 bytes: of each, a lane has two of row g, columns 2t and 2t + 1. Source: PTX ISA,
/// ldmatrix.
__device__ inline uint4 load_matrices(const void* row) {
    uint4 v;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "r"(uint32_t(__cvta_generic_to_shared(row)))
                 : "memory");
    return v;
}

/// Sums, over steps of 32 columns of k, of weight rows g (low) and g + 8 (high) times the columns
/// of x. An mma waits for the one before it that adds to the same sums, so the sums are kept in
/// several chains and added at the end.
template <int CHAINS>
struct MmaChains {
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

}  // namespace qwend
