#pragma once

#include "gpu/cuda.h"

namespace qwend {

inline constexpr int kMultiprocessors = 132;  // of an H100, for which work is cut

// LaunchShape::carveout_percent. A kernel can start early only on an SM that need not change its
// split of L1 and shared memory, so kernels that follow each other ask for the same one.

/// In a step of up to kSkinnyRows rows, whose kernels have their weights in registers and need
/// little L1. There is room for two blocks of decode_attention_split_kv_sm90 beside others.
inline constexpr int kSmallStepCarveout = 60;
/// In a step of more rows: all that linear_wgmma_sm90 can have.
inline constexpr int kLargeStepCarveout = 100;

/// How a kernel is launched.
struct LaunchShape {
    dim3 grid;
    int n_threads;              // of a block
    size_t shared_bytes = 0;    // dynamic, of a block
    unsigned cluster = 1;       // blocks, along x
    int carveout_percent = -1;  // of L1 and shared memory together; -1: the driver's choice
};

/// A launch as the driver wants it described. With programmatic dependent launch on sm_90: the
/// kernel may start while its predecessor still runs, and calls wait_for_previous_kernel() before
/// it touches what others write (gpu/sm90/dependent_launch.cuh).
class LaunchConfig {
  public:
    template <class Kernel>
    LaunchConfig(Kernel kernel, const LaunchShape& shape, const Device& device,
                 cudaStream_t stream) {
        auto set = [&](cudaFuncAttribute attribute, int value) {
            CUDA_CHECK(cudaFuncSetAttribute(kernel, attribute, value));
        };
        if (shape.shared_bytes > 0)
            set(cudaFuncAttributeMaxDynamicSharedMemorySize, int(shape.shared_bytes));
        if (shape.cluster > kPortableCluster)
            set(cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
        if (shape.carveout_percent >= 0)
            set(cudaFuncAttributePreferredSharedMemoryCarveout, shape.carveout_percent);
        attributes_[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attributes_[0].val.programmaticStreamSerializationAllowed = 1;
        attributes_[1].id = cudaLaunchAttributeClusterDimension;
        attributes_[1].val.clusterDim = {shape.cluster, 1, 1};
        config_.gridDim = shape.grid;
        config_.blockDim = dim3(unsigned(shape.n_threads));
        config_.dynamicSmemBytes = shape.shared_bytes;
        config_.stream = stream;
        config_.attrs = attributes_;
        config_.numAttrs = !device.has_clusters() ? 0 : shape.cluster == 1 ? 1 : 2;
    }
    LaunchConfig(const LaunchConfig&) = delete;
    LaunchConfig& operator=(const LaunchConfig&) = delete;
    const cudaLaunchConfig_t* get() const { return &config_; }

  private:
    static constexpr unsigned kPortableCluster = 8;  // CUDA C++ Programming Guide
    cudaLaunchAttribute attributes_[2] = {};
    cudaLaunchConfig_t config_ = {};
};

/// Launches `kernel` so; throws by the rule of gpu/cuda.h.
template <class... Params, class... Args>
void launch_dependent(void (*kernel)(Params...), const LaunchShape& shape, const Stream& stream,
                      Args... args) {
    const LaunchConfig config(kernel, shape, stream.device(), stream);
    CUDA_CHECK(cudaLaunchKernelEx(config.get(), kernel, Params(args)...));
}

}  // namespace qwend
