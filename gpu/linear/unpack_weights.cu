#include "gpu/linear/unpack_weights.h"

#include "gpu/launch.h"
#include "gpu/linear/packed_steps.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// unpack_weights: quantised weights to bf16.
//
// What    codes (n, k) of 4 or 8 bits, in tiles, and scales to out (n, k) bf16.
// Grid    a warp for each tile.
// Shared  the warps' tiles as bf16: a lane has pairs of a row, but 16 bytes of it should be
//         written at a time.
// Source  model/packed_linear.h, which says what lies where.

namespace qwend {

namespace {

constexpr int kWarps = 8;

template <LinearKind KIND>
__global__ void __launch_bounds__(kWarps* kWarp)
    unpack_weights_kernel(PackedWeights weights, int n_tiles, bf16* out) {
    using Steps = PackedSteps<KIND>;
    constexpr int kInputs = Steps::kInputs, kStepInputs = kInputs / Steps::kOfChunk;
    __shared__ __align__(16) bf16 tiles[kWarps][kTileRows][kInputs + 8];
    allow_next_kernel();
    wait_for_previous_kernel();  // which may still read `out`
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
    const int tile = int(blockIdx.x) * kWarps + warp;
    if (tile >= n_tiles) return;
    const int n_chunks = weights.k / kInputs, chunk = tile % n_chunks;
    const int first_row = tile / n_chunks * kTileRows;
    const PackedLane<KIND> from(weights);
    const uint4 codes = load_streaming(from.codes(tile));
#pragma unroll
    for (int step = 0; step < Steps::kOfChunk; step++) {
        const int group = (chunk * kInputs + step * kStepInputs) / weights.group;
        const uint32_t scale = *from.scale(from.scales(first_row) + group);
        const uint4 pairs = Steps::unpack(codes, step, Steps::zero_of(scale));
        const float factor = Steps::scale_of(scale);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float2 pair = __bfloat1622float2(pair_of((&pairs.x)[j]));
            const int column = step * kStepInputs + j * 8 + 2 * t;
            *reinterpret_cast<uint32_t*>(&tiles[warp][g][column]) =
                bits_of(__floats2bfloat162_rn(pair.x * factor, pair.y * factor));
        }
    }
    __syncwarp();
    constexpr int kEights = kInputs / 8;  // of a row
    for (int i = lane; i < kTileRows * kEights; i += kWarp) {
        const int row = i / kEights, column = i % kEights * 8;
        *reinterpret_cast<uint4*>(out + size_t(first_row + row) * weights.k + chunk * kInputs +
                                  column) =
            *reinterpret_cast<const uint4*>(&tiles[warp][row][column]);
    }
}

template <LinearKind KIND>
void launch(const PackedWeights& weights, bf16* out, const Stream& stream) {
    const int n_tiles = weights.n / kTileRows * (weights.k / PackedSteps<KIND>::kInputs);
    launch_dependent(unpack_weights_kernel<KIND>,
                     {dim3(unsigned((n_tiles + kWarps - 1) / kWarps)), kWarps * kWarp}, stream,
                     weights, n_tiles, out);
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
