#include "gpu/attention/decode_split_kv_sm90.cuh"
#include "gpu/launch.h"
#include "gpu/linear/skinny_mma_epilogues.cuh"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

// Attention of one query a row, and the product that follows, by one cluster a row: a kernel less
// to wait for. A block that puts a head together multiplies it by that head's columns of the
// weights, which are in its registers by then, and hands the sums to the blocks that own the rows.

constexpr int kHeadDim = kOProjSliceSteps * kStepColumns;
constexpr int kKvHeads = 2;
constexpr int kClusterBlocks = kKvHeads * kBlocks;
constexpr int kWarpTiles = 7;                           // of 16 weight rows
constexpr int kOutputs = kWarps * kWarpTiles * 16;      // the width of the stream
constexpr int kOwnOutputs = kOutputs / kClusterBlocks;  // of a block, a thread each
static_assert(kOwnOutputs <= 2 * kWarp && kOwnOutputs % 8 == 0);

struct AddShared {
    FewShared<kHeadDim> attention;
    float received[kOProjSlices][kOwnOutputs];
    __align__(16) bf16 head[kHeadDim];
    Mbarrier barrier;
};

/// The warp's rows of the weights, those of one head's columns.
struct HeadWeights {
    uint4 low[kWarpTiles][kOProjSliceSteps], high[kWarpTiles][kOProjSliceSteps];

    __device__ static int row(int tile) {
        const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4;
        return (warp * kWarpTiles + tile) * 16 + g;
    }
    __device__ void load(const LinearWeights& weights, int head) {
        const int t = threadIdx.x % 4;
#pragma unroll
        for (int i = 0; i < kWarpTiles; i++)
#pragma unroll
            for (int step = 0; step < kOProjSliceSteps; step++) {
                const bf16* from = weights.data + size_t(row(i)) * weights.k + head * kHeadDim +
                                   step * kStepColumns + 8 * t;
                low[i][step] = load_streaming(from);
                high[i][step] = load_streaming(from + size_t(8) * weights.k);
            }
    }
};

/// Of the block's head, to the blocks that own the outputs.
__device__ void push_products(AddShared& shared, const HeadWeights& weights, int head) {
    const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    uint4 x[kOProjSliceSteps] = {};
    if (g == 0)
#pragma unroll
        for (int step = 0; step < kOProjSliceSteps; step++)
            x[step] = *reinterpret_cast<const uint4*>(shared.head + step * kStepColumns + 8 * t);
#pragma unroll
    for (int i = 0; i < kWarpTiles; i++) {
        MmaChains<mma_chains(kOProjSliceSteps)> sums;
#pragma unroll
        for (int step = 0; step < kOProjSliceSteps; step++)
            sums.add(step, weights.low[i][step], weights.high[i][step], x[step]);
        float sum[4];
        sums.total(sum);
        if (t > 0) continue;  // of the eight columns there is one
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int row = HeadWeights::row(i) + 8 * h;
            st_async(&shared.received[head][row % kOwnOutputs], sum[2 * h], shared.barrier,
                     unsigned(row / kOwnOutputs));
        }
    }
}

__global__ void __launch_bounds__(kThreads, 1)
    attend_add_kernel(DecodeAttentionArgs a, LinearWeights weights, AddMmaEpilogue out,
                      float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto& shared = *reinterpret_cast<AddShared*>(memory);
    FewAttention<kHeadDim> attention(a, shared.attention);
    attention.begin();
    HeadWeights own;
    if (attention.block_has_head()) own.load(weights, attention.head());
    __syncwarp();  // keeps the assembler from moving them down
    const int output = int(cluster_rank()) * kOwnOutputs + int(threadIdx.x), row = blockIdx.y;
    const bool is_output = threadIdx.x < kOwnOutputs;
    AddMmaEpilogue::State state = {};
    if (is_output) state = out.prepare(output / 8, output % 8, row, true);
    wait_for_previous_kernel();
    allow_next_kernel();
    if (attention.n_parts() == 0) return;
    if (is_output) out.fetch(state, output / 8, output % 8, row, true);
    if (threadIdx.x < kWarp) init_and_expect(shared.barrier, sizeof shared.received);
    HeadShare<kHeadDim> head;
    attention.run(scale, [&](const HeadShare<kHeadDim>& share, int) { head.merge(share); });
    if (attention.has_head()) head.write(shared.head);
    __syncthreads();
    if (attention.block_has_head()) push_products(shared, own, attention.head());
    if (threadIdx.x >= 2 * kWarp) return;
    shared.barrier.wait(0);
    float sum = 0;
    if (is_output)
#pragma unroll
        for (int h = 0; h < kOProjSlices; h++) sum += shared.received[h][threadIdx.x];
    out.finish(state, output / 8, output % 8, row, is_output, sum, 0);
}

LaunchShape launch_shape(int n_rows) {
    LaunchShape shape{dim3(kClusterBlocks, n_rows), kThreads, sizeof(AddShared), kClusterBlocks};
    shape.carveout_percent = kSmallStepCarveout;
    return shape;
}

}  // namespace

bool can_attend_and_add(HeadShape shape, int width) {
    if (!has_dependent_launch() || shape.head_dim != kHeadDim || shape.n_kv_heads != kKvHeads ||
        shape.n_heads != kOProjSlices || width != kOutputs)
        return false;
    // A device, or a share of one, may have fewer SMs side by side.
    int n_clusters = 0;
    const LaunchConfig config(attend_add_kernel, launch_shape(1), nullptr);
    const cudaError_t error =
        cudaOccupancyMaxActiveClusters(&n_clusters, attend_add_kernel, config.get());
    if (error == cudaErrorInvalidClusterSize || error == cudaErrorInvalidConfiguration) {
        cudaGetLastError();
        return false;
    }
    CUDA_CHECK(error);
    return n_clusters > 0;
}

void attend_and_add(const DecodeAttentionArgs& a, LinearWeights weights, ResidualStream out,
                    cudaStream_t stream) {
    launch_dependent(attend_add_kernel, launch_shape(a.n), stream, a, weights,
                     AddMmaEpilogue{out, weights.n}, log2_scale(kHeadDim));
}

}  // namespace qwend
