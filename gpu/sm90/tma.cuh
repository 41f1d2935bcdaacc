#pragma once

#include <cuda.h>

#include "gpu/sm90/mbarrier.cuh"

// Tiles of matrices to shared memory by the copy engine (see copy_tiles.h), one thread for all of a
// tile; `barrier` counts its bytes. sm_90 only; empty before.
// Source: PTX ISA, cp.async.bulk.tensor.

namespace qwend {

/// Has the map at hand when the first copy wants it.
__device__ inline void fetch_map(const CUtensorMap& map) {
#if __CUDA_ARCH__ >= 900
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}

/// What kernels before have written to global memory, to the copy engine.
__device__ inline void show_memory_to_copies() {
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.proxy.async.global;" ::: "memory");
#endif
}

/// From column and row of an input.
__device__ inline void copy_tile(void* to, const CUtensorMap& map, Barrier& barrier, int column,
                                 int row) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
        "l"(&map), "r"(shared_address(&barrier.state)), "r"(column), "r"(row)
        : "memory");
#endif
}

/// From `column` and group `group` of `run` of weights.
__device__ inline void copy_weight_tile(void* to, const CUtensorMap& map, Barrier& barrier,
                                        int column, int group, int run) {
#if __CUDA_ARCH__ >= 900
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3, %4, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
        "l"(&map), "r"(shared_address(&barrier.state)), "r"(column), "r"(0), "r"(group), "r"(run)
        : "memory");
#endif
}

}  // namespace qwend
