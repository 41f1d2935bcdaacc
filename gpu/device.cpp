#include <cuda_runtime.h>

#include "gpu/device.h"

namespace qwend {

namespace {

constexpr int kMinComputeMajor = 8;  // bf16 tensor cores and cp.async begin with sm_80

GpuInfo describe(int index, const cudaDeviceProp& properties) {
    GpuInfo info;
    info.index = index;
    info.name = properties.name;
    info.compute_major = properties.major;
    info.compute_minor = properties.minor;
    info.n_multiprocessors = properties.multiProcessorCount;
    info.memory_bytes = properties.totalGlobalMem;
    if (properties.major < kMinComputeMajor)
        info.fault = "compute capability " + std::to_string(properties.major) + "." +
                     std::to_string(properties.minor) + " is below 8.0";
    return info;
}

}  // namespace

GpuProbe probe_gpus() {
    GpuProbe probe;
    int n_devices = 0;
    if (cudaError_t error = cudaGetDeviceCount(&n_devices); error != cudaSuccess) {
        probe.error = cudaGetErrorString(error);
        return probe;
    }
    for (int index = 0; index < n_devices; index++) {
        cudaDeviceProp properties;
        if (cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
            probe.error = cudaGetErrorString(error);
            return probe;
        }
        probe.devices.push_back(describe(index, properties));
    }
    return probe;
}

}  // namespace qwend
