#pragma once

#include <cooperative_groups.h>

#include <cstdint>

// Thread block clusters: who a block is in its cluster, the barrier of all its threads, and the
// shared memory of the others (DSMEM). On devices before sm_90, which have none, a block is a
// cluster of its own. Source: CUDA C++ Programming Guide, "Thread Block Clusters".

namespace qwend {

__device__ inline unsigned cluster_rank() {
#if __CUDA_ARCH__ >= 900
    return cooperative_groups::this_cluster().block_rank();
#else
    return 0;
#endif
}
__device__ inline unsigned cluster_size() {
#if __CUDA_ARCH__ >= 900
    return cooperative_groups::this_cluster().num_blocks();
#else
    return 1;
#endif
}
/// The barrier of all threads of the cluster; what they wrote before, all see after.
__device__ inline void cluster_sync() {
#if __CUDA_ARCH__ >= 900
    cooperative_groups::this_cluster().sync();
#else
    __syncthreads();
#endif
}
/// Where the same shared variable of block `rank` can be read and written.
template <class T>
__device__ inline T* dsmem_of(T* address, unsigned rank) {
#if __CUDA_ARCH__ >= 900
    return cooperative_groups::this_cluster().map_shared_rank(address, rank);
#else
    (void)rank;
    return address;
#endif
}

}  // namespace qwend
