#include "gpu/cuda.h"

namespace qwend {

namespace {

/// 1 in the code that a device runs if that code was built for its own features: sm_90a, not sm_90.
__device__ int built_with_wgmma =
#if __CUDA_ARCH_FEAT_SM90_ALL
    1;
#else
    0;
#endif

}  // namespace

Device use_device(int index) {
    CUDA_CHECK(cudaSetDevice(index));
    Device device;
    device.index = index;
    CUDA_CHECK(
        cudaDeviceGetAttribute(&device.compute_major, cudaDevAttrComputeCapabilityMajor, index));
    int found = 0;
    CUDA_CHECK(cudaMemcpyFromSymbol(&found, built_with_wgmma, sizeof found));
    device.has_wgmma = found == 1;
    return device;
}

}  // namespace qwend
