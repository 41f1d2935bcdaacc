#pragma once

#include "gpu/linear/wgmma_packed_sm90.h"
#include "gpu/linear/wgmma_sm90_launch.cuh"

// The members of WgmmaPacked, for the sources that have one kind each.

namespace qwend {

template <LinearKind KIND>
using PackedProducts = WgmmaProducts<PackedStages<KIND>, PackedWeights>;

template <LinearKind KIND>
void WgmmaPacked<KIND>::qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    PackedProducts<KIND>::qkv(packed(args.weights), args, n_rows, stream);
}
template <LinearKind KIND>
void WgmmaPacked<KIND>::add(const PackedWeights& weights, const bf16* x, const ResidualStream& out,
                            int n_rows, const Stream& stream) {
    PackedProducts<KIND>::add(weights, x, out, n_rows, stream);
}
template <LinearKind KIND>
void WgmmaPacked<KIND>::partial(const PackedWeights& weights, const bf16* x, float* out, int n_rows,
                                const Stream& stream) {
    PackedProducts<KIND>::partial(weights, x, out, n_rows, stream);
}
template <LinearKind KIND>
void WgmmaPacked<KIND>::gate_up(const PackedWeights& weights, const LinearInput& input,
                                Activation activation, bf16* out, int n_rows,
                                const Stream& stream) {
    PackedProducts<KIND>::gate_up(weights, input, activation, out, n_rows, stream);
}
template <LinearKind KIND>
void WgmmaPacked<KIND>::logits(const PackedWeights& weights, const LinearInput& input, float* out,
                               int n_rows, const Stream& stream) {
    PackedProducts<KIND>::logits(weights, input, out, n_rows, stream);
}

}  // namespace qwend
