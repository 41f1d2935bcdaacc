#include "model/quantized/find_blocks.h"

#include <algorithm>
#include <utility>

#include "model/gguf/blocks.h"

namespace qwend {

StoredLinear linear_of_blocks(const StoredTensor& matrix, std::string name) {
    const BlockFormat& format = *matrix.blocks;
    StoredLinear linear{format.kind, int(matrix.shape[0]), int(matrix.shape[1]), matrix,
                        {},          QuantizedParts{}};
    QuantizedParts& parts = *linear.quantized;
    parts.name = std::move(name);
    parts.packing = CodePacking::blocks;
    parts.zero_points = format.has_zeros ? ZeroPoints::numbers : ZeroPoints::middle;
    parts.group = format.group;
    parts.scales.file = matrix.file;
    return linear;
}

void make_blocks_alike(std::initializer_list<StoredLinear*> layers) {
    const auto has_blocks = [](const StoredLinear* layer) {
        return layer->quantized && layer->quantized->packing == CodePacking::blocks;
    };
    if (!std::all_of(layers.begin(), layers.end(), has_blocks)) return;
    int group = (*layers.begin())->quantized->group;
    LinearKind kind = LinearKind::int4;
    for (const StoredLinear* layer : layers) {
        group = std::min(group, layer->quantized->group);
        if (layer->kind == LinearKind::int8) kind = LinearKind::int8;
    }
    for (StoredLinear* layer : layers) {
        // The middle of int4 is not int8's.
        if (layer->kind != kind) layer->quantized->zero_points = ZeroPoints::numbers;
        layer->kind = kind, layer->quantized->group = group;
    }
}

}  // namespace qwend
