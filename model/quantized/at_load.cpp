#include "model/quantized/at_load.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/error.h"

namespace qwend {

namespace {

constexpr int kInt4Group = 128;  // inputs

bool is_made_at_load(const StoredLinear& linear) {
    return linear.quantized && linear.quantized->packing == CodePacking::at_load;
}

bool has_layers_made_at_load(const Weights& weights) {
    return !weights.layers.empty() && is_made_at_load(weights.layers[0].q);
}

std::string name_of(LinearKind kind) {
    return kind == LinearKind::int4 ? "int4" : kind == LinearKind::int8 ? "int8" : "fp8";
}

}  // namespace

LinearKind kind_at_load(LinearKind layers, const LinearPlace& place) {
    const bool is_at_end = place.layer == 0 || place.layer == place.n_layers - 1;
    return layers == LinearKind::int4 && (place.is_qkv || is_at_end) ? LinearKind::int8 : layers;
}

StoredLinear quantize_at_load(StoredLinear dense, LinearKind kind, const std::string& name) {
    QuantizedParts parts;
    parts.name = name;
    parts.packing = CodePacking::at_load;
    parts.zero_points = kind == LinearKind::int4 ? ZeroPoints::at_load : ZeroPoints::middle;
    parts.group = kind == LinearKind::int4 ? std::min(kInt4Group, dense.k) : dense.k;
    dense.kind = kind;
    dense.quantized = std::move(parts);
    return dense;
}

void refuse_twice(const QuantScheme& scheme) {
    throw LoadError(fmt::format(
        "{}: expected weights that are not quantised, since they are to be at load, found {}; set "
        "quantization = none, or choose the model in BF16",
        scheme.source, scheme.text()));
}

bool is_quantized_at_load(const Weights& weights) {
    return is_made_at_load(weights.lm_head) || has_layers_made_at_load(weights);
}

std::string describe_quantization(const Checkpoint& checkpoint) {
    const QuantScheme* scheme = checkpoint.config.quantization.get();
    const auto& layers = checkpoint.weights.layers;
    std::string text = scheme ? scheme->text() : "";
    if (has_layers_made_at_load(checkpoint.weights)) {
        const StoredLinear& some = layers[layers.size() / 2].down;
        const bool is_int4 = some.kind == LinearKind::int4;
        text = name_of(some.kind) +
               (is_int4 ? fmt::format(" in groups of {} and int8", some.quantized->group) : "");
    }
    const StoredLinear& head = checkpoint.weights.lm_head;
    if (is_made_at_load(head)) text += (text.empty() ? "head " : ", head ") + name_of(head.kind);
    return text + (is_quantized_at_load(checkpoint.weights) ? ", made at load" : "");
}

}  // namespace qwend
