#include "gpu/cuda.h"

namespace qwend {

namespace {

/// In the code that the device runs: what was built for sm_90 is without.
__device__ int built_with_warpgroups =
#if __CUDA_ARCH_FEAT_SM90_ALL
    1;
#else
    0;
#endif

}  // namespace

bool has_wgmma() {
    static const bool has = [] {
        int found = 0;
        CUDA_CHECK(cudaMemcpyFromSymbol(&found, built_with_warpgroups, sizeof found));
        return found == 1;
    }();
    return has;
}

}  // namespace qwend
