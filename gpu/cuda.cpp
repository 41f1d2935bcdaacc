#include "gpu/cuda.h"

#include <atomic>

namespace qwend {

namespace {

std::atomic<bool> lost{false};

/// The errors that leave the context as it was, as far as the CUDA Runtime API's reference says so
/// (enum cudaError) and a restart would not help. Whatever is not here counts as sticky.
bool is_refusal(cudaError_t error) {
    switch (error) {
        case cudaErrorMemoryAllocation:
        case cudaErrorInsufficientDriver:
        case cudaErrorSystemDriverMismatch:
        case cudaErrorCompatNotSupportedOnDevice:
        case cudaErrorNoDevice:
        case cudaErrorInvalidDevice:
        case cudaErrorNoKernelImageForDevice:
        case cudaErrorUnsupportedPtxVersion:
        case cudaErrorJitCompilerNotFound:
            return true;
        default:
            return false;
    }
}

}  // namespace

void cuda_fault(cudaError_t error, const char* call, const char* file, int line) {
    // Both are tables of the runtime and ask no device.
    const std::string what = std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                             cudaGetErrorName(error) + ": " + cudaGetErrorString(error);
    if (is_refusal(error)) throw CudaRefusal(what);
    device_fault(what);
}

void device_fault(const std::string& what) {
    lost = true;
    throw BackendFault(what);
}

void shape_fault(const char* condition, const char* file, int line) {
    throw BackendFault(std::string(file) + ":" + std::to_string(line) +
                       ": no kernel for this shape: expected " + condition);
}

bool device_lost() {
    return lost;
}

}  // namespace qwend
