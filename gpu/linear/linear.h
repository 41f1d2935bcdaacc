#pragma once

#include "gpu/tensors.h"

namespace qwend {

/// The matrix products of a few rows (decode of up to kRowTile sequences), each fused with what
/// surrounds it. Weights are read once, at memory speed: every warp has all of its weights in
/// flight before it waits for the kernel before it, since weights depend on nothing. More rows work
/// too, eight at a time. A row's result has the same bits whatever rows are beside it: the order
/// of additions is fixed by the shape alone.
///
/// RMSNorm is spread over the kernels around it. Whoever writes the residual stream also writes it
/// times the next norm's weights, in bf16, and sums of squares of a few columns at a time; whoever
/// multiplies by it scales its sums by 1 / rms, which is one number a row.
inline constexpr int kRowTile = 8;
inline constexpr int kFewSquareWidth = 8;  // columns of one sum of squares that add_rows makes

/// The input of a product.
struct RowInput {
    const bf16* x;         // (rows, k)
    const float* squares;  // (rows, k / square width, rounded up), as the same kind of product
                           // makes them of the residual stream; null: x is normed already
    float eps;
    const int32_t* row_of = nullptr;  // see source(); null: every row is its own

    /// The row of x and squares that row i is.
    __host__ __device__ int source(int i) const { return row_of ? row_of[i] : i; }
};

/// q, k, v = norm(x) · Wᵀ + bias, rotated; queries (rows, q_dim), keys and values to the cache.
struct QkvRows {
    RowWeights weights;  // (qkv_dim, hidden)
    RowInput input;
    const float* bias;        // (qkv_dim)
    const float2* rotations;  // (rows, head_dim / 2)
    const int32_t* slots;     // (rows)
    HeadShape shape;
    bf16* queries;
    KvCache cache;
};
void qkv_rows(const QkvRows& args, int n_rows, cudaStream_t stream);

/// stream += x (rows, k) bf16 · Wᵀ.
void add_rows(RowWeights weights, const bf16* x, RowStream out, int n_rows, cudaStream_t stream);

/// out (rows, n / 2) bf16 = silu(gate) * up, of norm(x) · Wᵀ, gate first.
void gate_up_rows(RowWeights weights, RowInput input, bf16* out, int n_rows, cudaStream_t stream);

/// logits (rows, n) f32 = norm(x) · Wᵀ.
void logits_rows(RowWeights weights, RowInput input, float* logits, int n_rows,
                 cudaStream_t stream);

}  // namespace qwend
