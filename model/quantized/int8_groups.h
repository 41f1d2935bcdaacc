#pragma once

#include "model/quantized/unpack.h"

namespace qwend {

/// Whether a device has a layer as int8 in groups of 32, because it has neither shorter groups nor
/// zeros that are no integers: of GGUF's types.
bool needs_int8_groups(const QuantizedParts& parts);

/// Makes such of rows as unpack_rows() gives them, in place, of a layer that needs them. A weight
/// is off by at most half of the new scale, which is a 255th of the group's range with zero in it.
/// Of types without zeros (Q6_K, Q3_K) the weights of the larger of two scales stay what they are,
/// and half of the new scale is an eighth and a thirty-second of what is between two of their
/// codes.
void make_int8_groups(const StoredLinear& linear, int n_rows, uint8_t* codes, float* scales,
                      float* zeros);

}  // namespace qwend
