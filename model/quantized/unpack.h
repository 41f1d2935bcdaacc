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

/// The one form that every format is unpacked to: a weight is (code - zero) * scale.

/// Codes of the outputs from `first` on: out (n_rows, k), one a byte; int8's of 0 to 255, fp8's as
/// e4m3 has them. False if one is not a number.
bool unpack_codes(const QuantizedView& view, int first, int n_rows, uint8_t* out);

/// Their scales (n_rows, groups) and, where the codes are integers, zeros (n_rows, groups): numbers
/// of 0 to 256 unless the format has zeros that are none. False if a scale is not finite or, of
/// floats, not from 0 to 256. Integers may have one that is: AutoRound's do.
bool unpack_scales(const QuantizedView& view, int first, int n_rows, float* scales, float* zeros);

/// Throws LoadError for a view of which one of these has said false: tensor, Expected and Actual.
[[noreturn]] void refuse_numbers(const QuantizedView& view);

}  // namespace qwend
