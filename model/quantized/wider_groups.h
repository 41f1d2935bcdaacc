#pragma once

#include "model/quantized/unpack.h"

namespace qwend {

/// Where groups of 16 inputs have to be longer: makes groups of 32 of rows as unpack_rows()
/// gives them, in place. Their codes are int8's then, whatever they were, and their
/// zeros integers. A weight is off by at most half of the new scale. Of types without zeros (Q6_K,
/// Q3_K) the weights of the larger of two scales stay what they are, and half of the new scale is
/// an eighth and a thirty-second of what is between two of their codes; of Q2_K it is a 170th.
void widen_groups(const StoredLinear& linear, int n_rows, uint8_t* codes, float* scales,
                  float* zeros);

}  // namespace qwend
