#pragma once

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "model/activation.h"

namespace qwend {

/// out (rows, n / 2) bf16 = activation(gate) * up, of (gate, up) = x · Wᵀ, x (rows, k) bf16 normed
/// already: what a product of Gemm and glu() do in two kernels, for many rows. Needs
/// Device::has_wgmma. Throws BackendFault for a shape or a kind of weights that it is not made for.
void glu_wgmma_sm90(LinearWeights weights, const bf16* x, Activation activation, bf16* out,
                    int n_rows, const Stream& stream);

}  // namespace qwend
