#include "gpu/attention/decode_split_kv_sm90.cuh"
#include "gpu/launch.h"
#include "gpu/linear/skinny_mma_epilogues.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// decode_attention_o_proj_14x64_sm90: attention of one query a row and the output projection after
// it, for 14 heads of 64, two KV heads and a hidden size of 896 (Qwen2 and Qwen2.5 0.5B). A step
// has one kernel less to wait for.
//
// What    hidden (n, 896) f32 += attention (n, 896) bf16 · Wᵀ, and what the next product wants of
//         hidden (ResidualStream). The same bits as decode_attention_split_kv_sm90 and
//         kSkinnyMma.add.
// Grid    (16, rows); clusters of 16, eight blocks for each KV head, of which seven own a head.
// Block   8 warps; a warp has 112 rows of W in its registers, those of the columns of the block's
//         head.
// Shared  as decode_attention_split_kv_sm90, and the partial sums that other blocks send: 37 KiB.
// Order   Weights and older keys are fetched before the wait for the previous kernel. When the warp
//         that owns a head has merged it, all warps of its block multiply it by their weights,
//         which are in registers by then: a slice of split-K, 14 in all. Each block owns 56 columns
//         of hidden and is sent its partial sums through DSMEM; it adds them in the order of heads
//         and runs AddMmaEpilogue.
// When    One row whose context is at most kKvSplitTokens; else the two kernels are faster.

namespace qwend {

namespace {

constexpr int kHeadDim = kOProjSliceSteps * kStepColumns;
constexpr int kKvHeads = 2;
constexpr int kClusterBlocks = kKvHeads * kKvHeadBlocks;
constexpr int kWarpTiles = 7;  // of 16 weight rows
constexpr int kHidden = kWarps * kWarpTiles * 16;
constexpr int kOwnColumns = kHidden / kClusterBlocks;  // of hidden, for a block: a thread each
static_assert(kOwnColumns <= 2 * kWarp && kOwnColumns % 8 == 0);

struct OProjShared {
    SplitKvShared<kHeadDim> attention;
    float received[kOProjSlices][kOwnColumns];
    __align__(16) bf16 head[kHeadDim];  // the attention of the block's own
    Mbarrier barrier;                   // counts the bytes of `received`
};

/// A warp's 112 rows of the weights, of the columns of one head, in registers.
struct HeadColumns {
    uint4 low[kWarpTiles][kOProjSliceSteps], high[kWarpTiles][kOProjSliceSteps];

    __device__ static int row(int tile) {
        const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4;
        return (warp * kWarpTiles + tile) * 16 + g;
    }
    __device__ void load(const DenseWeights& weights, int head) {
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

/// Multiplies the block's head by its columns of the weights, and sends each block the partial sums
/// of the columns of hidden that it owns.
__device__ void push_partial_sums(OProjShared& shared, const HeadColumns& weights, int head) {
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
        if (t > 0) continue;  // of mma's eight columns only the first is used
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int row = HeadColumns::row(i) + 8 * h;
            st_async(&shared.received[head][row % kOwnColumns], sum[2 * h], shared.barrier,
                     unsigned(row / kOwnColumns));
        }
    }
}

__global__ void __launch_bounds__(kThreads, 1)
    decode_attention_o_proj_14x64_sm90_kernel(DecodeAttentionArgs a, DenseWeights weights,
                                              AddMmaEpilogue out, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto& shared = *reinterpret_cast<OProjShared*>(memory);
    SplitKvAttention<kHeadDim> attention(a, shared.attention);
    attention.begin();
    HeadColumns own;
    if (attention.block_has_head()) own.load(weights, attention.head());
    __syncwarp();  // keeps ptxas from moving the loads down
    const int column = int(cluster_rank()) * kOwnColumns + int(threadIdx.x), row = blockIdx.y;
    const bool is_column = threadIdx.x < kOwnColumns;
    AddMmaEpilogue::State state = {};
    if (is_column) state = out.prepare(column / 8, column % 8, row, true);
    wait_for_previous_kernel();
    allow_next_kernel();
    if (attention.n_splits() == 0) return;
    if (is_column) out.fetch(state, column / 8, column % 8, row, true);
    if (threadIdx.x < kWarp) init_and_expect(shared.barrier, sizeof shared.received);
    PartialHead<kHeadDim> head;
    attention.run(scale, [&](const PartialHead<kHeadDim>& split, int) { head.merge(split); });
    if (attention.has_head()) head.write(shared.head);
    __syncthreads();
    if (attention.block_has_head()) push_partial_sums(shared, own, attention.head());
    if (threadIdx.x >= 2 * kWarp) return;
    shared.barrier.wait(0);
    float sum = 0;
    if (is_column)
#pragma unroll
        for (int h = 0; h < kOProjSlices; h++) sum += shared.received[h][threadIdx.x];
    out.finish(state, column / 8, column % 8, row, is_column, sum, 0);
}

bool is_own_shape(HeadShape shape) {
    return shape.head_dim == kHeadDim && shape.n_kv_heads == kKvHeads &&
           shape.n_heads == kOProjSlices;
}

LaunchShape launch_shape(int n_rows) {
    LaunchShape shape{dim3(kClusterBlocks, n_rows), kThreads, sizeof(OProjShared), kClusterBlocks};
    shape.carveout_percent = kSmallStepCarveout;
    return shape;
}

}  // namespace

bool can_fuse_o_proj(const Device& device, HeadShape shape, int hidden_size) {
    if (!device.has_clusters() || !is_own_shape(shape) || hidden_size != kHidden) return false;
    // A device, or a part of one (MIG), may have fewer SMs side by side than a cluster has blocks.
    int n_clusters = 0;
    const LaunchConfig config(decode_attention_o_proj_14x64_sm90_kernel, launch_shape(1), device,
                              nullptr);
    const cudaError_t error = cudaOccupancyMaxActiveClusters(
        &n_clusters, decode_attention_o_proj_14x64_sm90_kernel, config.get());
    if (error == cudaErrorInvalidClusterSize || error == cudaErrorInvalidConfiguration) {
        cudaGetLastError();
        return false;
    }
    CUDA_CHECK(error);
    return n_clusters > 0;
}

void decode_attention_o_proj_14x64_sm90(const DecodeAttentionArgs& a, LinearWeights weights,
                                        ResidualStream out, const Stream& stream) {
    SHAPE_CHECK(stream.device().has_clusters() && a.n > 0 && is_own_shape(a.shape));
    SHAPE_CHECK(weights.n == kHidden && weights.k == kHidden);
    launch_dependent(decode_attention_o_proj_14x64_sm90_kernel, launch_shape(a.n), stream, a,
                     dense(weights), AddMmaEpilogue{out, weights.n}, log2_scale(kHeadDim));
}

}  // namespace qwend
