#pragma once

#include <cstdint>

#include "gpu/sm90/mbarrier.cuh"

// wgmma: the tensor cores' product of a warpgroup (four warps, 128 threads), asynchronous. D (64,
// N) f32 in registers += A (64, 16) bf16 · B (N, 16)ᵀ bf16, N from 16 to 256 here. A is in shared
// memory or in registers, B in shared memory; tiles there are swizzled as TMA writes them: by 128
// bytes where a row has 64 columns, by 32 where it has 16. Needs code for sm_90a
// (__CUDA_ARCH_FEAT_SM90_ALL).
//
// Order of calls: wgmma_fence(), any number of wgmma(), wgmma_commit(), wgmma_wait(). Until the
// wait nobody touches D, or A if it is in registers; nor the tiles in shared memory. Source: PTX
// ISA, "Asynchronous Warpgroup Level Matrix Operation".

namespace qwend {

/// A descriptor without the address.
template <int ROW_BYTES>
constexpr uint64_t smem_descriptor_fields() {
    static_assert(ROW_BYTES == 128 || ROW_BYTES == 32);
    constexpr uint64_t kSwizzle = uint64_t(ROW_BYTES == 128 ? 1 : 3) << 62;
    constexpr uint64_t kEightRows = 8 * ROW_BYTES;
    return kSwizzle | (kEightRows >> 4) << 32 | uint64_t(1) << 16;
}

/// The matrix descriptor of a tile in shared memory: its address and how it is swizzled. Rows of
/// 128 bytes are swizzled by 128, rows of 32 by 32; tiles begin at multiples of eight such rows.
template <int ROW_BYTES = 128>
__device__ inline uint64_t smem_descriptor(const void* tile) {
    return smem_descriptor_fields<ROW_BYTES>() | (shared_address(tile) & 0x3FFFF) >> 4;
}

/// Descriptors of what lies at some distance from a tile that a warp has in common: one addition
/// each, where smem_descriptor() takes five instructions for every product of a loop.
template <int ROW_BYTES = 128>
class SmemDescriptors {
  public:
    __device__ explicit SmemDescriptors(const void* tile)
        : low_(__shfl_sync(0xffffffffu, uint32_t(smem_descriptor<ROW_BYTES>(tile)), 0)) {}
    /// `n_bytes` behind the tile: a whole tile, or columns within it.
    __device__ uint64_t at(int n_bytes) const {
        constexpr uint64_t kHigh = smem_descriptor_fields<ROW_BYTES>() >> 32 << 32;
        return kHigh | (low_ + uint32_t(n_bytes) / 16);
    }

  private:
    uint32_t low_;  // the address, whose 14 bits hold any of shared memory's
};

#if __CUDA_ARCH_FEAT_SM90_ALL

#define QWEND_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define QWEND_8(i) QWEND_4(i), QWEND_4(i + 4)
#define QWEND_16(i) QWEND_8(i), QWEND_8(i + 8)
#define QWEND_32(i) QWEND_16(i), QWEND_16(i + 16)
#define QWEND_64(i) QWEND_32(i), QWEND_32(i + 32)
#define QWEND_128(i) QWEND_64(i), QWEND_64(i + 64)

/// d = a · bᵀ, plus d if `adds`; a and b by their descriptors. Who has what of d, with g = lane / 4
/// and t = lane % 4 as for mma(): warp w of the warpgroup has rows 16 w + g in elements 4 j and
/// 4 j + 1, and rows 16 w + g + 8 in elements 4 j + 2 and 4 j + 3; of columns 8 j + 2 t and one
/// more.
__device__ inline void wgmma(float (&d)[8], uint64_t a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %10, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7}, "
        "%8, %9, adds, 1, 1, 0, 0;\n"
        "}"
        : QWEND_8(0)
        : "l"(a), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[16], uint64_t a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %18, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15}, "
        "%16, %17, adds, 1, 1, 0, 0;\n"
        "}"
        : QWEND_16(0)
        : "l"(a), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[32], uint64_t a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"
        "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
        "%32, %33, adds, 1, 1, 0, 0;\n"
        "}"
        : QWEND_32(0)
        : "l"(a), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[64], uint64_t a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"
        "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,"
        "%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,"
        "%62,%63}, "
        "%64, %65, adds, 1, 1, 0, 0;\n"
        "}"
        : QWEND_64(0)
        : "l"(a), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[128], uint64_t a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %130, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,"
        "%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,"
        "%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,"
        "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,"
        "%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,"
        "%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,"
        "%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,"
        "%126,%127}, "
        "%128, %129, adds, 1, 1, 0, 0;\n"
        "}"
        : QWEND_128(0)
        : "l"(a), "l"(b), "r"(int(adds)));
}

/// d = a · bᵀ with a in registers, each warp's 16 rows as mma() has them, plus d if `adds`.
__device__ inline void wgmma(float (&d)[8], const uint32_t* a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %13, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7}, "
        "{%8,%9,%10,%11}, %12, adds, 1, 1, 0;\n"
        "}"
        : QWEND_8(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[16], const uint32_t* a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %21, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15}, "
        "{%16,%17,%18,%19}, %20, adds, 1, 1, 0;\n"
        "}"
        : QWEND_16(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[32], const uint32_t* a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,"
        "%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
        "{%32,%33,%34,%35}, %36, adds, 1, 1, 0;\n"
        "}"
        : QWEND_32(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(adds)));
}
__device__ inline void wgmma(float (&d)[64], const uint32_t* a, uint64_t b, bool adds) {
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,"
        "%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,"
        "%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
        "{%64,%65,%66,%67}, %68, adds, 1, 1, 0;\n"
        "}"
        : QWEND_64(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(adds)));
}

/// d += a · bᵀ with a in registers, each warp's 16 rows as mma() has them.
__device__ inline void wgmma(float (&d)[32], const uint32_t* a, uint64_t b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
        "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
        "{%32,%33,%34,%35}, %36, 1, 1, 1, 0;"
        : QWEND_32(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
__device__ inline void wgmma(float (&d)[64], const uint32_t* a, uint64_t b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
        "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
        "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,"
        "%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,"
        "%60,%61,%62,%63}, "
        "{%64,%65,%66,%67}, %68, 1, 1, 1, 0;"
        : QWEND_64(0)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

#undef QWEND_4
#undef QWEND_8
#undef QWEND_16
#undef QWEND_32
#undef QWEND_64
#undef QWEND_128

/// Orders other accesses to d (and to a in registers) before the products that follow.
__device__ inline void wgmma_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most N of the committed groups are still under way.
template <int N>
__device__ inline void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

/// How many registers each thread of the calling warpgroup has from now on, a multiple of 8: fewer
/// than at launch, or more, which waits until other warpgroups have given theirs up.
template <int N>
__device__ inline void setmaxnreg_dec() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
__device__ inline void setmaxnreg_inc() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

#endif

}  // namespace qwend
