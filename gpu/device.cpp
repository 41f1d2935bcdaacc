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

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// For people: the runtime calls a missing driver "insufficient for CUDA runtime version".
std::string describe_error(cudaError_t error) {
    if (error == cudaErrorNoDevice)
        return "the NVIDIA driver shows no GPU to this user; see whether nvidia-smi does";
    if (error != cudaErrorInsufficientDriver) return cudaGetErrorString(error);
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no NVIDIA driver";
    (void)cudaRuntimeGetVersion(&runtime);
    return "expected an NVIDIA driver for CUDA " + version_text(runtime) + ", found one for " +
           version_text(driver) + "; update the driver";
}

}  // namespace

GpuProbe probe_gpus() {
    GpuProbe probe;
    int n_devices = 0;
    if (cudaError_t error = cudaGetDeviceCount(&n_devices); error != cudaSuccess) {
        probe.error = describe_error(error);
        return probe;
    }
    for (int index = 0; index < n_devices; index++) {
        cudaDeviceProp properties;
        if (cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
            probe.error = describe_error(error);
            return probe;
        }
        probe.devices.push_back(describe(index, properties));
    }
    return probe;
}

}  // namespace qwend
