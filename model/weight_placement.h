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

/// Where a shard's part of every tensor goes in the memory of a device, which holds one copy of
/// each: matrices (n, k) row-major as bf16, vectors as f32. Nothing here knows a device.
struct WeightPlacement {
    static constexpr size_t kCopyBytes = size_t(4) << 20;  // at most, in the device's memory

    /// Offsets in bytes. A layer's q, k and v are below each other, and gate and up.
    struct Layer {
        size_t input_norm, post_attention_norm, qkv, qkv_bias, o, gate_up, down;
    };
    std::vector<Layer> layers;
    size_t embedding = 0, final_norm = 0, lm_head = 0;  // a tied head is the embedding itself
    size_t n_bytes = 0;                                 // of everything
    std::vector<WeightCopy> copies;                     // of `weights`, which have to stay

    WeightPlacement(const Weights& weights, const Shard& shard, size_t copy_bytes = kCopyBytes);
};

}  // namespace qwend
