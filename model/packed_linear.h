#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/linear_kind.h"
#include "model/quantized/unpack.h"
#include "model/weights.h"

namespace qwend {

/// A quantised matrix as a device has it, the same for every format of the files. Codes: rows of
/// k * bits / 8 bytes, in chunks of 64 (128 inputs of int4, 64 of the others). Four threads read a
/// chunk, 16 bytes each, one behind the other. Thread t has, for each step s of 32 inputs of the
/// chunk, the inputs 32 s + 8 t + 0..7: of int4 a word with the inputs 0 2 4 6 1 3 5 7 from the low
/// nibble on, of the others eight bytes in order. Scales: a word for each row and group; of int4
/// and int8 the scale as f16 in the low half and the zero as bf16 in the high one, of fp8 the scale
/// as f32.
struct PackedShape {
    LinearKind kind;  // any but dense
    int n, k, group;  // outputs, inputs, inputs that share a scale
};

/// Of a quantised layer.
PackedShape packed_shape(const StoredLinear& linear);

/// Why a matrix of this shape cannot be packed, behind its name; empty if it can.
std::string check_packed(std::string_view name, const PackedShape& shape);

size_t packed_code_bytes(const PackedShape& shape);
size_t packed_scale_bytes(const PackedShape& shape);

/// Packs the outputs from `first` on, of a layer that passes check_packed(). Throws LoadError for
/// numbers that are none, and for scales beyond f16. Any thread.
void pack_rows(const QuantizedView& view, int first, int n_rows, std::byte* codes,
               uint32_t* scales);

}  // namespace qwend
