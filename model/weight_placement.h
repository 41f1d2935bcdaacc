#pragma once

#include <cstddef>
#include <vector>

#include "model/shard.h"
#include "model/weights.h"

namespace qwend {

/// Runs of one stored tensor, and where they go: one behind the other.
struct WeightCopy {
    const StoredTensor* from;
    size_t first;      // element of the tensor
    size_t n_runs, n;  // runs, and elements of each
    size_t stride;     // elements from the first of a run to the first of the next
    size_t to;         // bytes into the device's memory
    bool to_float;     // as f32, else bf16
};

/// Outputs of a quantised layer, and where they go as model/packed_linear.h has them.
struct WeightPack {
    const StoredLinear* from;
    int first, n;          // outputs
    size_t codes, scales;  // bytes into the device's memory
};

/// Where a shard's part of every tensor goes in the memory of a device, which holds one copy of
/// each: matrices (n, k) row-major as bf16, or as codes and scales where they are quantised,
/// vectors as f32. Nothing here knows a device.
struct WeightPlacement {
    static constexpr size_t kCopyBytes = size_t(4) << 20;  // at most, in the device's memory

    /// Offsets in bytes. A layer's q, k and v are below each other, and gate and up.
    struct Matrix {
        size_t data = 0, scales = 0;  // numbers; or codes, and their scales
    };
    struct Layer {
        size_t input_norm, post_attention_norm;
        Matrix qkv;
        size_t qkv_bias;
        Matrix o, gate_up, down;
    };
    std::vector<Layer> layers;
    size_t embedding = 0, final_norm = 0;
    Matrix lm_head;      // a tied head is the embedding itself
    size_t n_bytes = 0;  // of everything
    /// Of `weights`, which have to stay. What is packed of one layer is together.
    std::vector<WeightCopy> copies;
    std::vector<WeightPack> packs;

    /// Throws LoadError for quantised layers that a device does not take.
    WeightPlacement(const Weights& weights, const Shard& shard, size_t copy_bytes = kCopyBytes);
};

}  // namespace qwend
