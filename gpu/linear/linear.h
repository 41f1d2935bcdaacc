#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "model/activation.h"

namespace qwend {

/// The matrix products of the transformer, y = x · Wᵀ, each fused with what surrounds it: RMSNorm
/// before it, and an epilogue that makes the result of the sums. There are three ways to compute
/// them; ProductChoice chooses by the number of rows (tokens of the step).
///
///   kSkinnyMma  skinny_mma.cu   up to kSkinnyRows rows: weights straight to registers, mma.sync
///   kWgmmaSm90  wgmma_sm90.cu   more rows, on sm_90: TMA, wgmma, split-K over a cluster
///   Gemm        gemm.h          the rest, and sm_80: cuBLASLt, with norms and epilogues apart, but
///                               for glu_wgmma_sm90.h, which gates a prompt's gates and ups at once
///
/// Of quantised weights the first two are kSkinnyPacked (skinny_packed.cu) and kWgmmaPackedSm90
/// (wgmma_packed_sm90.h), which unpack what they multiply; for the third unpack_weights.h makes
/// bf16 of a matrix first.
///
/// In the first two a row's result has the same bits whatever rows are beside it: the order of
/// additions is fixed by the shape of the weights alone.
///
/// RMSNorm, Σ_k x_k norm_k W_nk / rms(x), is spread over the kernels around it, because 1 / rms is
/// one number a row and may come after the sums. Whoever writes the residual stream also writes
/// x_k norm_k in bf16 and partial sums of the squares x_k², of `square_width` columns each; whoever
/// multiplies scales its sums by 1 / rms.

/// Rows of x in a tile of kSkinnyMma: the columns of an mma.
inline constexpr int kSkinnyRows = 8;

/// Columns of the residual stream in a partial sum of squares, as either kind of product makes and
/// reads them.
inline constexpr int kSkinnySquareWidth = 8, kWgmmaSquareWidth = 64;

/// The input of a product.
struct LinearInput {
    const bf16* x;         // (rows, k)
    const float* squares;  // (rows, k / square_width, rounded up); null: x is normed already
    float eps;
    const int32_t* row_of = nullptr;  // (rows) gathers x and squares; null: every row is its own

    /// The row of x and squares that row i is.
    __host__ __device__ int source(int i) const { return row_of ? row_of[i] : i; }
};

/// The weights as the products of dense ones take them; throws BackendFault for another kind.
inline DenseWeights dense(const LinearWeights& weights) {
    SHAPE_CHECK(weights.kind == LinearKind::dense);
    return {static_cast<const bf16*>(weights.data), weights.n, weights.k};
}

/// The weights as the products of quantised ones take them; throws BackendFault for dense ones, and
/// for shapes in which a group does not fill whole steps of the kernels.
inline PackedWeights packed(const LinearWeights& weights) {
    SHAPE_CHECK(weights.kind != LinearKind::dense && weights.scales != nullptr);
    SHAPE_CHECK(weights.k % 128 == 0 && weights.n % 8 == 0 && weights.group >= 32 &&
                weights.k % weights.group == 0);
    SHAPE_CHECK(weights.group == weights.k || std::has_single_bit(unsigned(weights.group)));
    return {weights.kind,   static_cast<const std::byte*>(weights.data),
            weights.scales, weights.n,
            weights.k,      weights.group};
}

/// What becomes of q, k, v: a bias is added, q and k are rotated (RoPE), queries go to `queries`,
/// keys and values to their slots of the paged KV cache.
struct QkvOutput {
    const float* bias;        // (qkv_dim)
    const float2* rotations;  // (rows, head_dim / 2) cos and sin
    const int32_t* slots;     // (rows) below 0: padding
    HeadShape shape;
    bf16* queries;  // (rows, q_dim)
    KvCache cache;
};
/// q, k, v = norm(x) · Wᵀ, and the rest.
struct QkvArgs {
    LinearWeights weights;  // (qkv_dim, hidden)
    LinearInput input;
    QkvOutput out;
};

/// The launchers of one kind of product, for n_rows rows. They throw BackendFault if a shape or a
/// kind of weights is one that the kernels are not made for.
struct LinearKernels {
    void (*qkv)(const QkvArgs& args, int n_rows, const Stream& stream);
    /// hidden += x (rows, k) bf16 · Wᵀ, and what the next product wants of hidden.
    void (*add)(LinearWeights weights, const bf16* x, ResidualStream out, int n_rows,
                const Stream& stream);
    /// out (rows, n) f32 = x (rows, k) bf16 · Wᵀ, the very sums that `add` adds to hidden: a rank's
    /// part of them, where it has some columns of the weights.
    void (*partial)(LinearWeights weights, const bf16* x, float* out, int n_rows,
                    const Stream& stream);
    /// out (rows, n / 2) bf16 = activation(gate) * up, of (gate, up) = norm(x) · Wᵀ.
    void (*gate_up)(LinearWeights weights, LinearInput input, Activation activation, bf16* out,
                    int n_rows, const Stream& stream);
    /// logits (rows, n) f32 = norm(x) · Wᵀ.
    void (*logits)(LinearWeights weights, LinearInput input, float* logits, int n_rows,
                   const Stream& stream);
    int square_width;  // of the sums of squares that `add` makes and the others read
    bool gathers;      // whether `logits` takes LinearInput::row_of
};
/// Any number of rows works with all. Those of wgmma need Device::has_wgmma; the packed ones take
/// quantised weights of any kind and no others, that of wgmma in groups of all inputs or a multiple
/// of 128.
extern const LinearKernels kSkinnyMma, kWgmmaSm90, kSkinnyPacked, kWgmmaPackedSm90;

/// The rest of `add`, for partial sums of all ranks: hidden (n, width) += each of them, in the
/// order of ranks, and what the next product wants of hidden, with sums of squares of square_width
/// columns; out.next_x null: nothing. Of one rank, with the same bits as `add`.
void add_partial_sums(const PartialSums& sums, const ResidualStream& out, int square_width, int n,
                      int width, const Stream& stream);

/// Up to how many rows kWgmmaSm90 is faster than cuBLASLt, as measured with hidden sizes of 896,
/// 1,536 and 3,584: large matrices keep the device busy without split-K.
int max_wgmma_rows(int hidden_size);

}  // namespace qwend
