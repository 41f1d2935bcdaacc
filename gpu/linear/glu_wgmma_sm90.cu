#include <algorithm>

#include "gpu/launch.h"
#include "gpu/linear/glu_wgmma_sm90.h"
#include "gpu/linear/weight_map.h"
#include "gpu/linear/wgmma_sm90.cuh"
#include "gpu/sm90/cluster.cuh"

// glu_wgmma_sm90: out = activation(gate) * up, of (gate, up) = x · Wᵀ, for the many rows of
// prompts.
//
// What    out (rows, n / 2) bf16 of x (rows, k) bf16 and W (n, k) bf16, gates first; sums in f32.
//         As in linear_wgmma_sm90 weights are the A side of wgmma and x the B side.
// Grid    As many clusters of two blocks as there are places for, each of which takes tile after
//         tile (a persistent kernel). Tiles that follow each other have the same weights.
// Block   Two warpgroups that multiply (the consumers), 64 weight rows by 256 rows of x each, and a
//         warp of which one thread copies (the producer).
// Shared  A ring of four stages, each 64 columns of k of both tiles, and 16 KiB of results for each
//         warpgroup: 225 KiB.
// Order   The two blocks of a cluster have the same rows of x and different weights. Each producer
//         copies its own weights, and half of x to both blocks (multicast), so x comes out of L2
//         once. It waits at empty[stage], at which the consumer warps of both blocks arrive. It
//         goes on with the next tile's stages while consumers make results: these go to shared
//         memory and from there by TMA, while the next tile is multiplied. The warpgroups never
//         wait for each other, so one can multiply while the other makes results.
// When    More rows than linear_wgmma_sm90 is for, where this is faster than cuBLASLt with glu
//         behind it: ProductChoice::gates_at_once() knows.
// Source  CUTLASS, "Efficient GEMM in CUDA" (warp specialisation, multicast); PTX ISA,
//         cp.async.bulk.tensor.

namespace qwend {

namespace {

constexpr int kBlocks = 2;  // of a cluster
constexpr int kWarpgroups = 2, kRows = 256, kStages = 4;
constexpr int kGroups = 4 * kWarpgroups;  // of 16 weight rows, of a block
constexpr int kConsumerThreads = 128 * kWarpgroups;
constexpr int kThreads = kConsumerThreads + kWarp;
constexpr int kWeightBytes = kGroups * 16 * kSwizzleColumns * 2;
constexpr int kInputBytes = kRows * kSwizzleColumns * 2;
constexpr int kStageBytes = kWeightBytes + kInputBytes;
constexpr int kOutColumns = kResultColumns;  // of a warpgroup
constexpr int kOutBytes = kRows * kOutColumns * 2;
[[maybe_unused]] constexpr int kFragments = kRows / kFragmentRows;

struct GluShared {
    unsigned char ring[kStages][kStageBytes];
    unsigned char results[kWarpgroups][kOutBytes];
    Mbarrier full[kStages], empty[kStages];
};

struct GluPlan {
    int n_row_tiles, n_tiles;  // of both blocks together
    int n_k_steps;
};

/// Of a tile: where its rows of x begin, and a block's groups of weights.
struct GluTile {
    int first_row, first_group;
    __device__ GluTile(const GluPlan& plan, int tile, unsigned rank)
        : first_row(tile % plan.n_row_tiles * kRows),
          first_group((tile / plan.n_row_tiles * kBlocks + int(rank)) * kGroups) {}
};

#if __CUDA_ARCH_FEAT_SM90_ALL

/// A place in the ring, and how often it has been round.
struct RingPlace {
    int stage = 0;
    uint32_t phase = 0;
    __device__ void next() {
        if (++stage == kStages) stage = 0, phase++;
    }
};

/// Calls take(tile) for every tile of the cluster.
template <class Take>
__device__ void for_each_tile(const GluPlan& plan, unsigned rank, Take take) {
    for (int tile = int(blockIdx.x) / kBlocks; tile < plan.n_tiles;
         tile += int(gridDim.x) / kBlocks)
        take(GluTile(plan, tile, rank));
}

/// Called by one thread.
__device__ void produce(GluShared& shared, const GluPlan& plan, const CUtensorMap& weights,
                        const CUtensorMap& input, unsigned rank) {
    constexpr uint16_t kBoth = (1 << kBlocks) - 1;
    constexpr int kHalf = kRows / kBlocks;
    prefetch_tensor_map(weights);
    prefetch_tensor_map(input);
    wait_for_previous_kernel();
    fence_async_global();
    RingPlace at;
    for_each_tile(plan, rank, [&](GluTile tile) {
        for (int i = 0; i < plan.n_k_steps; i++, at.next()) {
            if (at.phase > 0) shared.empty[at.stage].wait(at.phase - 1);
            unsigned char* stage = shared.ring[at.stage];
            Mbarrier& full = shared.full[at.stage];
            full.arrive_expect_tx(kStageBytes);
            tma_load_5d(stage, weights, full, i * kSwizzleColumns, 0, 0, tile.first_group, 0);
            tma_multicast_2d(stage + kWeightBytes + rank * (kInputBytes / kBlocks), input, full,
                             i * kSwizzleColumns, tile.first_row + int(rank) * kHalf, kBoth);
        }
    });
}

/// Multiplies a tile's stages, as WgmmaBlock does, and gives them back to both producers.
__device__ void multiply(GluShared& shared, int n_k_steps, RingPlace& at,
                         WgmmaAccumulator<kRows>& sums) {
    const int own_weights = int(threadIdx.x) / 128 * (4 * 16 * kSwizzleColumns * 2);
    auto give_back = [&](int stage) {
        if (threadIdx.x % kWarp < kBlocks) shared.empty[stage].arrive_at(threadIdx.x % kWarp);
    };
    int last_stage = 0;
    for (int i = 0; i < n_k_steps; i++, at.next()) {
        shared.full[at.stage].wait(at.phase);
        const unsigned char* tiles = shared.ring[at.stage];
        sums.add(tiles + own_weights, tiles + kWeightBytes, i > 0);
        if (i > 0) {
            wgmma_wait<1>();
            give_back(last_stage);
        }
        last_stage = at.stage;
    }
    wgmma_wait<0>();
    give_back(last_stage);
    __syncwarp();
}

/// Where 16 bytes of a row's results lie, swizzled as TMA wants rows of 64 bytes.
__device__ unsigned char* result_at(unsigned char* results, int row, int sixteen) {
    return results + row * (kOutColumns * 2) + (sixteen ^ (row / 2 % 4)) * 16;
}

/// Called by a warpgroup: makes results of its sums and starts their copy.
template <class Epilogue>
__device__ void store(unsigned char* results, const WgmmaAccumulator<kRows>& sums, GluTile tile,
                      const Epilogue& epilogue, const CUtensorMap& out) {
    const int warpgroup = int(threadIdx.x) / 128, warp = int(threadIdx.x) / kWarp % 4;
    const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4, barrier = 1 + warpgroup;
    const bool copies = threadIdx.x % 128 == 0;
    if (copies) tma_store_wait_read();  // of the last tile
    named_barrier_sync(barrier, 128);
#pragma unroll
    for (int j = 0; j < kFragments; j++) {
        const FragmentPair pair{{sums.at(j, 0), sums.at(j, 1)}, {sums.at(j, 2), sums.at(j, 3)}};
        const int row = j * kFragmentRows + 2 * t + g % 2;
        reinterpret_cast<uint32_t*>(result_at(results, row, warp))[g / 2] =
            epilogue.two_columns(pair, g);
    }
    fence_async_shared();
    named_barrier_sync(barrier, 128);
    if (!copies) return;
    const int first_group = tile.first_group + warpgroup * 4;
    tma_store_2d(out, results, first_group * 8, tile.first_row);
    tma_store_commit();
}

#endif

template <class Epilogue>
__global__ void __launch_bounds__(kThreads, 1)
    glu_wgmma_sm90_kernel(const __grid_constant__ CUtensorMap weights,
                          const __grid_constant__ CUtensorMap input,
                          const __grid_constant__ CUtensorMap out, GluPlan plan,
                          Epilogue epilogue) {
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(1024) unsigned char memory[];
    GluShared& shared = *reinterpret_cast<GluShared*>(memory);
    allow_next_kernel();
    const unsigned rank = cluster_rank();
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages; i++) {
            shared.full[i].init(1);
            shared.empty[i].init(kBlocks * kConsumerThreads / kWarp);
        }
        Mbarrier::fence_init();
    }
    cluster_sync();
    if (threadIdx.x >= kConsumerThreads) {
        if (threadIdx.x == kConsumerThreads) produce(shared, plan, weights, input, rank);
        __syncwarp();
    } else {
        wait_for_previous_kernel();
        RingPlace at;
        for_each_tile(plan, rank, [&](GluTile tile) {
            WgmmaAccumulator<kRows> sums;
            multiply(shared, plan.n_k_steps, at, sums);
            store(shared.results[threadIdx.x / 128], sums, tile, epilogue, out);
        });
        tma_store_wait();
    }
    cluster_sync();  // nobody arrives here any more, nor copies to here
#else
    __trap();  // launched where !Device::has_wgmma
#endif
}

int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

template <class Gate>
void launch(DenseWeights weights, const bf16* x, bf16* out, int n_rows, Gate activate,
            const Stream& stream) {
    const int n = weights.n / 2;
    GluPlan plan{};
    plan.n_row_tiles = divide_up(n_rows, kRows);
    plan.n_tiles = plan.n_row_tiles * divide_up(weights.n / 16, kBlocks * kGroups);
    plan.n_k_steps = divide_up(weights.k, kSwizzleColumns);
    const int n_clusters = std::min(kMultiprocessors / kBlocks, plan.n_tiles);
    LaunchShape shape{dim3(unsigned(kBlocks * n_clusters)), kThreads};
    shape.shared_bytes = sizeof(GluShared);
    shape.cluster = kBlocks;
    shape.carveout_percent = kLargeStepCarveout;
    const GateUpWgmmaEpilogue<Gate> epilogue(out, n, activate);
    launch_dependent(glu_wgmma_sm90_kernel<GateUpWgmmaEpilogue<Gate>>, shape, stream,
                     weight_tensor_map(weights, n, kGroups),
                     matrix_tensor_map(x, n_rows, weights.k, kRows / kBlocks),
                     result_tensor_map(out, n_rows, n, kRows), plan, epilogue);
}

}  // namespace

void glu_wgmma_sm90(LinearWeights weights, const bf16* x, Activation activation, bf16* out,
                    int n_rows, const Stream& stream) {
    SHAPE_CHECK(stream.device().has_wgmma && n_rows > 0 && weights.n % 32 == 0 &&
                weights.k % 32 == 0);
    if (activation == Activation::silu)
        return launch(dense(weights), x, out, n_rows, QuickSilu(), stream);
    launch(dense(weights), x, out, n_rows, AnyActivation(activation), stream);
}

}  // namespace qwend
