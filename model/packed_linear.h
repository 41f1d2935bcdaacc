#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/linear_kind.h"
#include "model/quantized/unpack.h"
#include "model/weights.h"

namespace qwend {

/// A quantised matrix as a device has it, the same for every format of the files: tiles of eight
/// outputs and a chunk of inputs, 128 of int4 or 64 of the others, in the order of chunks, then of
/// outputs. A tile has 16 bytes for each lane of a warp, as tensor cores take weights: lane 4 g + t
/// has of output g, for each step of 16 inputs, those at 2 t, 2 t + 1, 2 t + 8 and 2 t + 9. Of int4
/// a word has two steps, the first inputs of their four pairs from the low nibble on, then the
/// second ones; of the others a word is a step, in order. Scales: a word for each output and group,
/// eight outputs by eight outputs too, in the order of groups within; of int4 and int8 the scale as
/// f16 in the low half and the zero as bf16 in the high one, of fp8 the scale as f32.
struct PackedShape {
    LinearKind kind;  // any but dense
    int n, k, group;  // outputs, inputs, inputs that share a scale
};

/// Of a quantised layer. Codes of GGUF's are int8's where a device would have no room for what
/// belongs to them: zeros that are no integers, or groups of less than 32, which become such.
PackedShape packed_shape(const StoredLinear& linear);

/// Why a matrix of this shape cannot be packed, behind its name; empty if it can.
std::string check_packed(std::string_view name, const PackedShape& shape);

size_t packed_code_bytes(const PackedShape& shape);
size_t packed_scale_bytes(const PackedShape& shape);

/// Outputs of a tile.
inline constexpr int kPackedRows = 8;

/// Packs the outputs from `first` on, of a layer that passes check_packed(), both multiples of
/// kPackedRows. Throws LoadError for numbers that are none, and for scales beyond f16. Any thread.
void pack_rows(const QuantizedView& view, int first, int n_rows, std::byte* codes,
               uint32_t* scales);

}  // namespace qwend
