#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace qwend {

/// One CUDA device as the driver describes it.
struct GpuInfo {
    int index = 0;
    std::string name;       // "NVIDIA H100 80GB HBM3"
    int compute_major = 0;  // 9 of sm_90
    int compute_minor = 0;
    int n_multiprocessors = 0;
    size_t memory_bytes = 0;
    std::string fault;  // empty, or why this build cannot use the device
};

/// The devices the driver offers; one too old for qwend (below sm_80) says so in `fault`. Creates
/// no context on any of them.
struct GpuProbe {
    std::vector<GpuInfo> devices;
    std::string error;  // no driver, driver too old, no device: for people; empty if all is well
};
GpuProbe probe_gpus();

}  // namespace qwend
