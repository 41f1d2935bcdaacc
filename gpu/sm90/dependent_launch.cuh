#pragma once

// Programmatic dependent launch: the next kernel of a stream starts while this one still runs, and
// does what does not depend on it, such as fetching weights. Kernels that use it are launched by
// launch_dependent() of gpu/launch.h. On devices before sm_90 kernels follow each other anyway, and
// both functions do nothing. Source: CUDA C++ Programming Guide, "Programmatic Dependent Launch";
// PTX ISA, griddepcontrol.

namespace qwend {

/// Allows the next kernel to start once every block has said so or has exited.
__device__ inline void allow_next_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
/// Waits until the kernel before has finished and its writes can be seen. Every kernel calls it
/// before it reads or writes what others write, also where it has nothing to do: the kernel after
/// takes this one's end for the end of all before it.
__device__ inline void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace qwend
