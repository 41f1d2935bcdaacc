#pragma once

namespace qwend {

/// Programmatic dependent launch (sm_90): lets the next kernel of the stream start now; waits until
/// the one before has finished and its writes can be seen. Nothing on older devices, where kernels
/// follow each other anyway. Source: CUDA C++ Programming Guide.
__device__ inline void allow_next_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ inline void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace qwend
