#pragma once

#include "gpu/cuda.h"
#include "gpu/tensors.h"

namespace qwend {

/// out (n, k) row-major bf16 = what quantised weights stand for, (code - zero) * scale, rounded to
/// nearest even. For steps of many rows, which multiply with it as with dense weights.
void unpack_weights(const PackedWeights& weights, bf16* out, const Stream& stream);

}  // namespace qwend
