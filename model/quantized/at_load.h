#pragma once

#include <string>

#include "model/quantized/scheme.h"
#include "model/weights.h"

namespace qwend {

/// A linear layer of a decoder: where it is, and whether its outputs are queries, keys or values.
struct LinearPlace {
    int layer = 0, n_layers = 1;
    bool is_qkv = false;
};

/// What it becomes where `layers` is asked for. Of int4, what makes queries, keys and values and
/// the first and the last layer become int8: 14% of Qwen2.5-7B's linear weights, 12% of 72B's. On
/// small models that diverges half as much as int4 alone and less than int4 in groups of 32, which
/// takes more.
LinearKind kind_at_load(LinearKind layers, const LinearPlace& place);

/// The layer with its numbers quantised as they are loaded: int8 and fp8 with a scale for each
/// output, int4 with a scale and a zero for each group of inputs; `name`: its own, behind the
/// folder's, for errors.
StoredLinear quantize_at_load(StoredLinear dense, LinearKind kind, const std::string& name);

/// Throws LoadError: layers are to be quantised that the files have so.
[[noreturn]] void refuse_twice(const QuantScheme& scheme);

/// Whether any of these is.
bool is_quantized_at_load(const Weights& weights);

/// What the weights are, for people: "int4 in groups of 128 and int8, head int8, made at load".
/// Empty if all are numbers.
std::string describe_quantization(const Checkpoint& checkpoint);

}  // namespace qwend
