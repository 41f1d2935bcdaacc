#include "gpu/linear/unpack_weights.h"

#include "gpu/launch.h"
#include "gpu/linear/packed_steps.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// unpack_weights: quantised weights to bf16.
//
// What    codes (n, k) of 4 or 8 bits, in chunks of 64 bytes, and scales to out (n, k) bf16.
// Grid    enough blocks of 256 threads for 16 bytes of codes each: what a thread of a product
//         reads, whose inputs are 16 bytes of the output a step.
// Source  model/packed_linear.h, which says what lies where.

namespace qwend {

namespace {

constexpr int kThreads = 256, kStepInputs = 32;

template <LinearKind KIND>
__global__ void __launch_bounds__(kThreads)
    unpack_weights_kernel(PackedWeights weights, size_t n_reads, bf16* out) {
    using Steps = PackedSteps<KIND>;
    constexpr int kInputs = Steps::kOfChunk * kStepInputs;  // of a chunk
    allow_next_kernel();
    wait_for_previous_kernel();  // which may still read `out`
    const size_t i = size_t(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= n_reads) return;
    const uint4 chunk = reinterpret_cast<const uint4*>(weights.codes)[i];
    const size_t n_chunks = size_t(weights.k / kInputs), row = i / 4 / n_chunks;
    const int first = int(i / 4 % n_chunks) * kInputs;
    const uint32_t* scales = weights.scales + row * size_t(weights.k / weights.group);
    bf16* to = out + row * size_t(weights.k) + first + i % 4 * 8;
#pragma unroll
    for (int step = 0; step < Steps::kOfChunk; step++) {
        const uint32_t scale = scales[(first + step * kStepInputs) / weights.group];
        const uint4 codes = Steps::unpack(chunk, step, Steps::zero_of(scale));
        const float factor = Steps::scale_of(scale);
        uint4 result;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float2 pair = __bfloat1622float2(pair_of((&codes.x)[j]));
            (&result.x)[j] = bits_of(__floats2bfloat162_rn(pair.x * factor, pair.y * factor));
        }
        *reinterpret_cast<uint4*>(to + step * kStepInputs) = result;
    }
}

template <LinearKind KIND>
void launch(const PackedWeights& weights, bf16* out, const Stream& stream) {
    constexpr size_t kInputs = PackedSteps<KIND>::kOfChunk * 8;  // of a thread
    const size_t n_reads = size_t(weights.n) * size_t(weights.k) / kInputs;
    launch_dependent(unpack_weights_kernel<KIND>,
                     {dim3(unsigned((n_reads + kThreads - 1) / kThreads)), kThreads}, stream,
                     weights, n_reads, out);
}

}  // namespace

void unpack_weights(const PackedWeights& weights, bf16* out, const Stream& stream) {
    switch (weights.kind) {
        case LinearKind::int4:
            return launch<LinearKind::int4>(weights, out, stream);
        case LinearKind::int8:
            return launch<LinearKind::int8>(weights, out, stream);
        case LinearKind::fp8:
            return launch<LinearKind::fp8>(weights, out, stream);
        case LinearKind::dense:
            break;
    }
    shape_fault("quantised weights", __FILE__, __LINE__);
}

}  // namespace qwend
