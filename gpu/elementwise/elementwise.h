#pragma once

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "model/activation.h"

namespace qwend {

/// The launchers of the kernels between products and attention, and of the one that ends a step
/// whose hidden states are asked for. They neither synchronise nor
/// allocate, and throw BackendFault for a shape that no kernel is made for. Rows beyond those in
/// use (padding of a captured batch size) write nothing that anybody reads.

/// A change to a block table.
struct TableUpdate {
    int32_t index;  // into block_tables
    int32_t block;
};
/// Begins a step: brings the block tables up to date, and makes hidden (n, width) f32 of rows of
/// `embedding` (vocab, width), where a token below 0 is the one last sampled in lane -1 - token.
/// rotations (n, head_dim / 2) = (cos, sin) of positions * inv_freq, times `rope_scale`.
struct EmbedArgs {
    const TableUpdate* updates;  // (*n_updates)
    const int32_t* n_updates;    // in device memory: a captured graph takes any number
    int32_t* block_tables;
    const int32_t* tokens;       // (n)
    const int32_t* positions;    // (n)
    const int32_t* last_tokens;  // (lanes)
    const bf16* embedding;
    const float* inv_freq;  // (head_dim / 2)
    float rope_scale;
    int n, width, head_dim;
    float* hidden;
    float2* rotations;
    const float* norm;  // (width) the next three as in ResidualStream
    bf16* x;            // (n, width); null: not wanted
    float* squares;     // (n, width / square_width, rounded up)
    int square_width;   // 8 or 64
};
void embed(const EmbedArgs& args, const Stream& stream);

/// out (n, width) bf16 = rmsnorm of rows of x; row i is x[rows[i]], or x[i] where rows is null.
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
void rmsnorm(const float* x, const int32_t* rows, const float* weight, float eps, int n, int width,
             bf16* out, const Stream& stream);

/// out (n, width) = activation(gate) * up, of gate_up (n, 2 * width), gate first.
/// Source: Shazeer 2020, arXiv:2002.05202.
void glu(Activation activation, const bf16* gate_up, int n, int width, bf16* out,
         const Stream& stream);

/// Rows of a step that become one vector.
struct PooledRows {
    int32_t first, n;     // rows of the residual stream, at least one
    int32_t reduction;    // a Reduction; each: there is one row
    int32_t first_place;  // of the first row in its sequence, from 1 on: its weight in weighted_sum
};
/// vectors (n, width) f32 = rmsnorm of each pooled row of hidden (rows, width) f32, reduced as
/// Backend has it.
struct PoolArgs {
    const float* hidden;
    const float* weight;  // (width) of the norm
    float eps;
    int width;                 // a multiple of 4
    const PooledRows* pooled;  // (n), in device memory
    int n;
    float* inverse_rms;  // (rows) scratch
    float* vectors;      // in device memory, or in pinned memory of the host
};
void pool(const PoolArgs& args, const Stream& stream);

}  // namespace qwend
