#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "model/linear_kind.h"

namespace qwend {

/// What the rooms of gpu/ hand each other. All matrices are row-major and in device memory,
/// activations bf16 but for the residual stream, which stays f32.

using bf16 = __nv_bfloat16;

inline constexpr int kBlockTokens = 16;  // of a KV block: what one mma takes along its depth

/// The heads of a model; group() query heads share a KV head (GQA).
struct HeadShape {
    int n_heads;
    int n_kv_heads;
    int head_dim;  // 64 or 128

    __host__ __device__ int q_dim() const { return n_heads * head_dim; }
    __host__ __device__ int kv_dim() const { return n_kv_heads * head_dim; }
    __host__ __device__ int qkv_dim() const { return q_dim() + 2 * kv_dim(); }
    __host__ __device__ int group() const { return n_heads / n_kv_heads; }
};

/// The paged KV cache of one layer. Values lie transposed within a block, so that in both products
/// of attention a thread reads 8 or 16 contiguous bytes. A slot is block number * kBlockTokens +
/// place.
struct KvCache {
    bf16* keys;    // (n_blocks, n_kv_heads, 16, head_dim)
    bf16* values;  // (n_blocks, n_kv_heads, head_dim, 16)
};

/// A weight matrix of n outputs and k inputs, both multiples of 32, as its kind has it.
struct LinearWeights {
    LinearKind kind;
    const void* data;  // dense: (n, k) row-major bf16; else codes as model/packed_linear.h has them
    int n, k;
    const uint32_t* scales = nullptr;  // of any kind but dense, as is `group`
    int group = 0;                     // inputs that share a scale
};

/// One of kind dense, as kernels take it.
struct DenseWeights {
    const bf16* data;  // (n, k) row-major, as published
    int n, k;

    operator LinearWeights() const { return {LinearKind::dense, data, n, k}; }
};

/// One of any other kind, as kernels take it.
struct PackedWeights {
    LinearKind kind;
    const std::byte* codes;  // (n, k * bits / 8), as model/packed_linear.h has them
    const uint32_t* scales;  // (n, k / group), the same
    int n, k, group;
};

/// The residual stream, and what the next product wants of it: see RMSNorm in gpu/linear/linear.h.
struct ResidualStream {
    float* hidden;           // (rows, width)
    const float* next_norm;  // (width)
    bf16* next_x;            // (rows, width) hidden * next_norm
    float* squares;          // (rows, width / the product's square width, rounded up)
};

inline constexpr int kMaxRanks = 8;  // that share a model

/// What each rank's part of a product gives, in the order of ranks.
struct PartialSums {
    const float* of_rank[kMaxRanks];  // (rows, width) each
    int n_ranks;
};

}  // namespace qwend
