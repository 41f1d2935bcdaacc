#pragma once

#include "gpu/cuda.h"

namespace qwend {

/// Launches a kernel that calls wait_for_previous_kernel() before it touches what others write: on
/// sm_90 it may then start while its predecessor still runs, and load its weights meanwhile.
template <class... Params, class... Args>
void launch_dependent(void (*kernel)(Params...), dim3 grid, int n_threads, size_t shared_bytes,
                      cudaStream_t stream, Args... args) {
    cudaLaunchAttribute attribute;
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = dim3(n_threads);
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = has_dependent_launch() ? 1 : 0;
    CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, Params(args)...));
}

}  // namespace qwend
