#pragma once

#include "gpu/cuda.h"

namespace qwend {

struct LaunchShape {
    dim3 grid;
    int n_threads;            // of a block
    size_t shared_bytes = 0;  // dynamic, of a block
    unsigned cluster = 1;     // blocks, along x
};

/// Launches a kernel that calls wait_for_previous_kernel() before it touches what others write: on
/// sm_90 it may then start while its predecessor still runs, and load its weights meanwhile.
template <class... Params, class... Args>
void launch_dependent(void (*kernel)(Params...), const LaunchShape& shape, cudaStream_t stream,
                      Args... args) {
    cudaLaunchAttribute attributes[2];
    attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    attributes[1].id = cudaLaunchAttributeClusterDimension;
    attributes[1].val.clusterDim = {shape.cluster, 1, 1};
    cudaLaunchConfig_t config = {};
    config.gridDim = shape.grid;
    config.blockDim = dim3(shape.n_threads);
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = stream;
    config.attrs = attributes;
    config.numAttrs = !has_dependent_launch() ? 0 : shape.cluster == 1 ? 1 : 2;
    CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, Params(args)...));
}

}  // namespace qwend
