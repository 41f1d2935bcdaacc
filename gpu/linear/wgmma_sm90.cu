#include "gpu/linear/wgmma_sm90_launch.cuh"

// linear_wgmma_sm90 of dense weights.

namespace qwend {

namespace {

using Products = WgmmaProducts<DenseStages, DenseWeights>;

void qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    Products::qkv(dense(args.weights), args, n_rows, stream);
}
void add(LinearWeights weights, const bf16* x, ResidualStream out, int n_rows,
         const Stream& stream) {
    Products::add(dense(weights), x, out, n_rows, stream);
}
void partial(LinearWeights weights, const bf16* x, float* out, int n_rows, const Stream& stream) {
    Products::partial(dense(weights), x, out, n_rows, stream);
}
void gate_up(LinearWeights weights, LinearInput input, Activation activation, bf16* out, int n_rows,
             const Stream& stream) {
    Products::gate_up(dense(weights), input, activation, out, n_rows, stream);
}
void logits(LinearWeights weights, LinearInput input, float* out, int n_rows,
            const Stream& stream) {
    Products::logits(dense(weights), input, out, n_rows, stream);
}

}  // namespace

const LinearKernels kWgmmaSm90{qkv, add, partial, gate_up, logits, kWgmmaSquareWidth, false};

int max_wgmma_rows(int hidden_size) {
    return hidden_size <= 1024 ? 256 : 64;
}

}  // namespace qwend
