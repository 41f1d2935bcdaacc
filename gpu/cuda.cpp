#include "gpu/cuda.h"

namespace qwend {

void cuda_fault(cudaError_t error, const char* call, const char* file, int line) {
    throw BackendFault(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                       cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
}

bool has_dependent_launch() {
    static const bool has = [] {
        int device = 0, major = 0;
        CUDA_CHECK(cudaGetDevice(&device));
        CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
        return major >= 9;
    }();
    return has;
}

}  // namespace qwend
