#pragma once

#include <cstdint>

#include "model/linear_kind.h"

namespace qwend {

/// Weights have to be smaller: all kinds' scales hold them with room to spare.
inline constexpr float kWeightEnd = 65536;

/// One output's weights (k) as codes, scales and zeros: (code - zero) * scale. They depend on these
/// weights alone.
///   int8  a scale that takes the largest weight to 127, the zero is 128
///   fp8   a scale that takes the largest to 448, e4m3's last number; no zeros
///   int4  the scale and the zero with the least error, found by trying: a narrower range has finer
///         steps, and cuts off what is beyond it. Squares count by the weight's magnitude: where
///         all count alike, a real model of 135M diverges a tenth more
/// Integers' scales are numbers of f16, as a device has them. A weight that is not cut off is
/// within half a step.
///
/// group: inputs that share a scale; codes: (k); scales, zeros: one for each group, zeros of
/// integers alone. False if a weight is not finite or not below kWeightEnd. Any thread.
bool quantize_row(LinearKind kind, const float* row, int k, int group, uint8_t* codes,
                  float* scales, float* zeros);

/// Its slow twin, on any CPU, for tests.
bool quantize_row_plainly(LinearKind kind, const float* row, int k, int group, uint8_t* codes,
                          float* scales, float* zeros);

}  // namespace qwend
