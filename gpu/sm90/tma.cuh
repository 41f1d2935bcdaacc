#pragma once

#include <cuda.h>

#include "gpu/sm90/mbarrier.cuh"

// TMA (Tensor Memory Accelerator): one thread has a whole tile of a tensor copied to shared memory,
// and an mbarrier counts its bytes; or a tile there copied to the tensor. What TMA has to know of
// the tensor is made on the host, see tensor_map.h. Source: PTX ISA, cp.async.bulk.tensor.

namespace qwend {

/// Fetches the map ahead of the first copy that needs it.
__device__ inline void prefetch_tensor_map(const CUtensorMap& map) {
#if __CUDA_ARCH__ >= 900
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}

/// Orders what earlier kernels wrote to global memory before the calling thread's copies, which go
/// through another path (the async proxy).
__device__ inline void fence_async_global() {
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.proxy.async.global;" ::: "memory");
#endif
}

/// Copies the tile of a matrix that begins at `column` and `row`.
__device__ inline void tma_load_2d(void* to, const CUtensorMap& map, Mbarrier& barrier, int column,
                                   int row) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
        "l"(&map), "r"(shared_address(&barrier.state)), "r"(column), "r"(row)
        : "memory");
#endif
}

/// The same to the same place in every block of the cluster whose bit `blocks` has; each one's
/// barrier, in the same place too, counts the bytes.
__device__ inline void tma_multicast_2d(void* to, const CUtensorMap& map, Mbarrier& barrier,
                                        int column, int row, uint16_t blocks) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(shared_address(to)),
        "l"(&map), "r"(shared_address(&barrier.state)), "r"(column), "r"(row), "h"(blocks)
        : "memory");
#endif
}

/// Copies a tile of shared memory to where it begins in a matrix, at `column` and `row`; what lies
/// beyond the matrix is left out. Called by one thread, after fence_async_shared() by those who
/// wrote the tile; then tma_store_commit().
__device__ inline void tma_store_2d(const CUtensorMap& map, const void* from, int column, int row) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(
            &map),
        "r"(shared_address(from)), "r"(column), "r"(row)
        : "memory");
#endif
}
__device__ inline void tma_store_commit() {
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#endif
}
/// Waits until the calling thread's stores have read their tiles, or have written them.
__device__ inline void tma_store_wait_read() {
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
#endif
}
__device__ inline void tma_store_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
#endif
}

/// Copies the box of a tensor of five dimensions that begins at i0 … i4, innermost first.
__device__ inline void tma_load_5d(void* to, const CUtensorMap& map, Mbarrier& barrier, int i0,
                                   int i1, int i2, int i3, int i4) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(shared_address(to)),
        "l"(&map), "r"(shared_address(&barrier.state)), "r"(i0), "r"(i1), "r"(i2), "r"(i3), "r"(i4)
        : "memory");
#endif
}

}  // namespace qwend
