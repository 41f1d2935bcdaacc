#pragma once

#include <cstdint>
#include <optional>

#include "model/tensor.h"
#include "model/weights.h"

namespace qwend {

/// A quantised linear layer in memory; all have to outlive it.
struct QuantizedView {
    const StoredLinear* linear = nullptr;
    TensorView codes, scales;
    std::optional<TensorView> zeros;
};

/// Outputs from `first` on in the one form that every format is unpacked to: a weight is
/// (code - zero) * scale.
///   codes   (n_rows, k), one a byte; int8's of 0 to 255, fp8's as e4m3 has them
///   scales  (n_rows, groups)
///   zeros   (n_rows, groups), where codes are integers: numbers of 0 to 256 unless the format has
///           zeros that are none
/// Numbers are quantised. False if a code is not a number, a scale is not finite or, of floats, not
/// from 0 to 256 (integers may have one that is negative: AutoRound's do), or a number is none that
/// can be quantised. Any thread.
bool unpack_rows(const QuantizedView& view, int first, int n_rows, uint8_t* codes, float* scales,
                 float* zeros);

/// Throws LoadError for a view of which it has said false: tensor, Expected and Actual.
[[noreturn]] void refuse_numbers(const QuantizedView& view);

}  // namespace qwend
