#include "gpu/activation.cuh"
#include "gpu/elementwise/elementwise.h"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/warp.cuh"

// glu: out = activation(gate) * up, after a product of cuBLASLt. The fused products do it in their
// epilogues.
//
// What    gate_up (n, 2 * width) bf16, gate first, to out (n, width) bf16.
// Grid    (width / 2048 rounded up, rows), 256 threads; a thread makes eight values.
// Source  Shazeer 2020, arXiv:2002.05202.

namespace qwend {

namespace {

constexpr int kThreads = 256;

template <class Gate>
__device__ uint32_t glu_pair(Gate activate, uint32_t gate, uint32_t up) {
    const float2 g = unpack_bf16(gate), u = unpack_bf16(up);
    return pack_bf16(activate(g.x) * u.x, activate(g.y) * u.y);
}

template <class Gate>
__global__ void glu_kernel(const bf16* gate_up, int width, bf16* out, Gate activate) {
    wait_for_previous_kernel();
    const int i = blockIdx.x * kThreads + threadIdx.x;
    if (i >= width / 8) return;
    const auto* row = reinterpret_cast<const uint4*>(gate_up + size_t(blockIdx.y) * 2 * width);
    const uint4 g = row[i], u = row[i + width / 8];
    reinterpret_cast<uint4*>(out + size_t(blockIdx.y) * width)[i] = {
        glu_pair(activate, g.x, u.x), glu_pair(activate, g.y, u.y), glu_pair(activate, g.z, u.z),
        glu_pair(activate, g.w, u.w)};
}

}  // namespace

void glu(Activation activation, const bf16* gate_up, int n, int width, bf16* out,
         const Stream& stream) {
    SHAPE_CHECK(n > 0 && width % 8 == 0);
    const dim3 grid((width / 8 + kThreads - 1) / kThreads, n);
    if (activation == Activation::silu)
        return launch_dependent(glu_kernel<Silu>, {grid, kThreads}, stream, gate_up, width, out,
                                Silu());
    launch_dependent(glu_kernel<AnyActivation>, {grid, kThreads}, stream, gate_up, width, out,
                     AnyActivation(activation));
}

}  // namespace qwend
