#include "gpu/linear/wgmma_packed_sm90.h"

namespace qwend {

namespace {

/// Calls use(WgmmaPacked<kind>()).
template <class Use>
void with_kind(LinearKind kind, Use use) {
    switch (kind) {
        case LinearKind::int4:
            return use(WgmmaPacked<LinearKind::int4>());
        case LinearKind::int8:
            return use(WgmmaPacked<LinearKind::int8>());
        case LinearKind::fp8:
            return use(WgmmaPacked<LinearKind::fp8>());
        case LinearKind::dense:
            break;
    }
    shape_fault("quantised weights", __FILE__, __LINE__);
}

void qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    with_kind(args.weights.kind, [&](auto kind) { kind.qkv(args, n_rows, stream); });
}
void add(LinearWeights weights, const bf16* x, ResidualStream out, int n_rows,
         const Stream& stream) {
    with_kind(weights.kind, [&](auto kind) { kind.add(packed(weights), x, out, n_rows, stream); });
}
void partial(LinearWeights weights, const bf16* x, float* out, int n_rows, const Stream& stream) {
    with_kind(weights.kind,
              [&](auto kind) { kind.partial(packed(weights), x, out, n_rows, stream); });
}
void gate_up(LinearWeights weights, LinearInput input, Activation activation, bf16* out, int n_rows,
             const Stream& stream) {
    with_kind(weights.kind, [&](auto kind) {
        kind.gate_up(packed(weights), input, activation, out, n_rows, stream);
    });
}
void logits(LinearWeights weights, LinearInput input, float* out, int n_rows,
            const Stream& stream) {
    with_kind(weights.kind,
              [&](auto kind) { kind.logits(packed(weights), input, out, n_rows, stream); });
}

}  // namespace

const LinearKernels kWgmmaPackedSm90{qkv, add, partial, gate_up, logits, kWgmmaSquareWidth, false};

}  // namespace qwend
