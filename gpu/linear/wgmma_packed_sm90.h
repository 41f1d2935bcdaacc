#pragma once

#include "gpu/linear/linear.h"

namespace qwend {

/// linear_wgmma_sm90 of quantised weights of one kind, whose groups are all inputs or a multiple of
/// 128. A source for each kind, since they take nvcc long.
template <LinearKind KIND>
struct WgmmaPacked {
    static void qkv(const QkvArgs& args, int n_rows, const Stream& stream);
    static void add(const PackedWeights& weights, const bf16* x, const ResidualStream& out,
                    int n_rows, const Stream& stream);
    static void partial(const PackedWeights& weights, const bf16* x, float* out, int n_rows,
                        const Stream& stream);
    static void gate_up(const PackedWeights& weights, const LinearInput& input,
                        Activation activation, bf16* out, int n_rows, const Stream& stream);
    static void logits(const PackedWeights& weights, const LinearInput& input, float* out,
                       int n_rows, const Stream& stream);
};

}  // namespace qwend
