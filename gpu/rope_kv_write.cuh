#pragma once

#include "gpu/tensors.h"
#include "gpu/warp.cuh"

namespace qwend {

/// Rotates a pair by (cos, sin) of its position.
__device__ inline void rotate_pair(float& low, float& high, float2 rotation) {
    const float rotated = low * rotation.x - high * rotation.y;
    high = high * rotation.x + low * rotation.y;
    low = rotated;
}

/// Where the pair (i, i + head_dim / 2) of a head of q, k or v goes.
struct QkvPlace {
    bf16* low = nullptr;
    int high_offset = 0;  // of the other one, in elements
    bool rotates = false;

    /// Stores the pair, rotated if it is of a query or key. `rotation`: (cos, sin).
    __device__ void write(float low_value, float high_value, float2 rotation) const {
        if (rotates) rotate_pair(low_value, high_value, rotation);
        low[0] = __float2bfloat16_rn(low_value);
        low[high_offset] = __float2bfloat16_rn(high_value);
    }
};

/// `head` counts the heads of q, then of k, then of v; i < head_dim / 2. `slot`: block number times
/// kBlockTokens plus the place in the block.
__device__ inline QkvPlace place_qkv_pair(int head, int i, int row, int slot, HeadShape shape,
                                          bf16* queries, KvCache cache) {
    const int half = shape.head_dim / 2;
    if (head < shape.n_heads)
        return {queries + (size_t(row) * shape.n_heads + head) * shape.head_dim + i, half, true};
    const bool is_key = head < shape.n_heads + shape.n_kv_heads;
    const int kv_head = head - shape.n_heads - (is_key ? 0 : shape.n_kv_heads);
    const size_t block = size_t(slot / kBlockTokens) * shape.n_kv_heads + kv_head;
    const int offset = slot % kBlockTokens;
    if (is_key)
        return {cache.keys + (block * kBlockTokens + offset) * shape.head_dim + i, half, true};
    return {cache.values + (block * shape.head_dim + i) * kBlockTokens + offset,
            half * kBlockTokens, false};
}

}  // namespace qwend
