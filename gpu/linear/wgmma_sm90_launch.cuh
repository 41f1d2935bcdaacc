#pragma once

#include <algorithm>

#include "gpu/launch.h"
#include "gpu/linear/linear.h"
#include "gpu/linear/wgmma_sm90.cuh"

// linear_wgmma_sm90: y = norm(x) · Wᵀ and an epilogue, for more rows of x than linear_skinny_mma is
// good for.
//
// What    y (rows, n) of x (rows, k) bf16 and W (n, k), dense or quantised
// (weight_stages_sm90.cuh);
//         sums in f32; results as the epilogue has them (wgmma_sm90_epilogues.cuh). The operands
//         are swapped: weights are the A side of wgmma (64 rows a warpgroup), x the B side (ROWS:
//         16 to 256).
// Grid    (slices of k, a cluster; tiles of rows; tiles of weights). Matrices with few tiles are
//         cut along k, into up to four slices: split-K over a cluster of blocks.
// Block   WARPGROUPS warpgroups that multiply (the consumers), one thread that copies (the
//         producer), and three warps that make the scales of RMSNorm.
// Shared  a ring of up to eight stages, each some columns of k of both tiles; partial sums take its
//         place afterwards. Up to 227 KiB; 113 KiB where two blocks fit an SM.
// Order   The producer has TMA fill a stage and the mbarrier full[stage] counts its bytes; it waits
//         at empty[stage], at which every consumer warp arrives once the stage was read. Weights of
//         the first stages are copied before the wait for the previous kernel, x after it. With
//         split-K each block then owns every n-th fragment (eight rows): consumers write partial
//         sums to shared memory, a thread for each other block copies to it what it owns (DSMEM),
//         and an mbarrier there counts the bytes. The sums are added in the order of slices, so a
//         row has the same bits in any company, and the epilogue runs. A block exits when the
//         others have what was in its memory for them: the second barrier of the cluster.
// When    ProductChoice knows. Many rows are faster with cuBLASLt (gemm.h), whose tiles are larger.
// Source  CUTLASS, "Efficient GEMM in CUDA" (warp specialisation); PTX ISA, wgmma and
// cp.async.bulk.

namespace qwend {

template <class Stages, int WARPGROUPS, int ROWS, class Epilogue>
__global__ void __launch_bounds__(WgmmaBlockShape<Stages, WARPGROUPS, ROWS>::kThreads,
                                  WgmmaBlockShape<Stages, WARPGROUPS, ROWS>::kBlocksPerSm)
    linear_wgmma_sm90_kernel(const __grid_constant__ Stages weights,
                             const __grid_constant__ CUtensorMap input_map, WgmmaPlan plan,
                             LinearInput input, Epilogue epilogue) {
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(1024) unsigned char shared[];
    allow_next_kernel();
    WgmmaBlock<Stages, WARPGROUPS, ROWS, Epilogue> block(shared, plan);
    block.init_barriers();
    const int helper =
        int(threadIdx.x) - WgmmaBlockShape<Stages, WARPGROUPS, ROWS>::kConsumerThreads;
    using S = WgmmaBlockShape<Stages, WARPGROUPS, ROWS>;
    if (helper < 0) {
        if constexpr (S::kMovesRegisters) setmaxnreg_inc<S::kConsumerRegisters>();
        return block.consume(epilogue);
    }
    if constexpr (S::kMovesRegisters) setmaxnreg_dec<S::kHelperRegisters>();
    if (helper >= kWarp)
        block.make_rms_scales(input, helper - kWarp);
    else if (helper == 0)
        block.produce(weights, input_map);
    __syncwarp();
    if (gridDim.x == 1) return;
    // These threads take part in the cluster's two barriers too, those of consume().
    cluster_wait();
    cluster_arrive_relaxed();
    cluster_wait();
#else
    __trap();  // launched where !Device::has_wgmma
#endif
}

inline int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

/// Split-K where there are too few tiles to keep the device busy. Four slices at most: a block
/// sends on the sums of its whole tile however short its slice is, and soon that takes longer than
/// the products.
inline int k_steps_per_slice(int n_tiles, int n_k_steps, int columns) {
    constexpr int kMostSlices = 4, kLeastColumns = 256;
    const int n_slices = std::clamp((kMultiprocessors + n_tiles / 2) / n_tiles, 1, kMostSlices);
    return std::max(kLeastColumns / columns, divide_up(n_k_steps, n_slices));
}

template <class Stages, int WARPGROUPS, int ROWS, class Weights, class Epilogue>
void launch_wgmma_tiles(const Weights& weights, LinearInput input, Epilogue epilogue,
                        WgmmaPlan plan, const Stream& stream) {
    using S = WgmmaBlockShape<Stages, WARPGROUPS, ROWS>;
    const int n_blocks = divide_up(plan.n_k_steps, plan.k_steps_per_slice);
    const dim3 grid(unsigned(n_blocks), unsigned(divide_up(plan.n_rows, ROWS)),
                    unsigned(divide_up(plan.n_groups, S::kGroups)));
    // A block takes half of an SM's shared memory, so that one of the next kernel fits beside it. A
    // large tile takes all, unless there are so many that clusters would wait for a place.
    constexpr int kHalf = (228 << 10) / 2 - 1024, kWhole = 227 << 10;  // bytes
    constexpr unsigned kPlaces = kMultiprocessors - 20;
    const bool is_alone = ROWS > 64 && grid.x * grid.y * grid.z <= kPlaces;
    const int room = S::kBlocksPerSm == 1 || is_alone ? kWhole : kHalf;
    plan.n_stages = std::min(kMaxStages, plan.k_steps_per_slice);
    while (plan.n_stages > 2 && S::memory(plan.n_stages, n_blocks).total > room) plan.n_stages--;
    plan.groups_per_offset = epilogue.partner_offset() / 8;

    LaunchShape shape{grid, S::kThreads};
    shape.shared_bytes = size_t(S::memory(plan.n_stages, n_blocks).total);
    shape.cluster = unsigned(n_blocks);
    shape.carveout_percent = kLargeStepCarveout;
    launch_dependent(linear_wgmma_sm90_kernel<Stages, WARPGROUPS, ROWS, Epilogue>, shape, stream,
                     Stages::of(weights, epilogue.partner_offset(), S::kGroups),
                     matrix_tensor_map(input.x, plan.n_rows, plan.k, ROWS), plan, input, epilogue);
}

/// Rows of x in a block's tile: all, so that weights are read once. With split-K fewer, as long as
/// there are SMs for more blocks, because the partial sums that blocks exchange grow with the rows.
inline int rows_per_block(const WgmmaPlan& plan, int n_tiles, int most) {
    constexpr int kFewest = 16, kMostBlocks = 160;
    const int n_slices = divide_up(plan.n_k_steps, plan.k_steps_per_slice);
    int rows = kFewest;
    auto is_enough = [&] {
        const int n_row_tiles = divide_up(plan.n_rows, rows);
        return n_row_tiles == 1 ||
               (n_slices > 1 && n_row_tiles * n_slices * n_tiles <= kMostBlocks);
    };
    while (rows < most && !is_enough()) rows *= 2;
    return rows;
}

template <class Stages, class Weights, class Epilogue>
void launch_wgmma(const Weights& weights, LinearInput input, int n_rows, Epilogue epilogue,
                  const Stream& stream) {
    SHAPE_CHECK(stream.device().has_wgmma && n_rows > 0 && weights.n % 32 == 0 &&
                weights.k % 32 == 0);
    SHAPE_CHECK(!input.row_of);  // TMA copies rows that follow each other
    const int n_tiles = divide_up(weights.n, 64);
    WgmmaPlan plan{};
    plan.n_rows = n_rows, plan.n_groups = weights.n / 16, plan.k = weights.k;
    plan.n_k_steps = divide_up(weights.k, Stages::kColumns);
    plan.k_steps_per_slice = Epilogue::kFromRegisters
                                 ? plan.n_k_steps
                                 : k_steps_per_slice(n_tiles, plan.n_k_steps, Stages::kColumns);
    constexpr int kWide =
        Epilogue::kFromRegisters ? 2 : 1;  // no split-K: there are tiles enough for two warpgroups
    constexpr int kMost = Stages::kIsPacked ? 128 : 256;  // rows of which registers hold the sums
    const int rows = rows_per_block(plan, n_tiles, kMost);
    auto launch = [&]<int WARPGROUPS, int ROWS>() {
        launch_wgmma_tiles<Stages, WARPGROUPS, ROWS>(weights, input, epilogue, plan, stream);
    };
    if (rows == 16) return launch.template operator()<1, 16>();
    if (rows == 32) return launch.template operator()<1, 32>();
    if (rows == 64) return launch.template operator()<1, 64>();
    if (rows == 128) return launch.template operator()<kWide, 128>();
    if constexpr (kMost > 128) launch.template operator()<kWide, 256>();
}

/// The products of one kind of weights, by any number of rows; see LinearKernels.
template <class Stages, class Weights>
struct WgmmaProducts {
    static void qkv(const Weights& weights, const QkvArgs& args, int n_rows, const Stream& stream) {
        const int head_dim = args.out.shape.head_dim;
        SHAPE_CHECK(weights.n == args.out.shape.qkv_dim() && (head_dim == 64 || head_dim == 128));
        launch_wgmma<Stages>(weights, args.input, n_rows, QkvWgmmaEpilogue(args.out), stream);
    }
    static void add(const Weights& weights, const bf16* x, ResidualStream out, int n_rows,
                    const Stream& stream) {
        launch_wgmma<Stages>(weights, {x, nullptr, 0}, n_rows, AddWgmmaEpilogue(out, weights.n),
                             stream);
    }
    static void partial(const Weights& weights, const bf16* x, float* out, int n_rows,
                        const Stream& stream) {
        launch_wgmma<Stages>(weights, {x, nullptr, 0}, n_rows, PartialWgmmaEpilogue(out, weights.n),
                             stream);
    }
    static void gate_up(const Weights& weights, LinearInput input, Activation activation, bf16* out,
                        int n_rows, const Stream& stream) {
        const int n = weights.n / 2;
        if (activation == Activation::silu)
            return launch_wgmma<Stages>(weights, input, n_rows,
                                        GateUpWgmmaEpilogue(out, n, QuickSilu()), stream);
        launch_wgmma<Stages>(weights, input, n_rows,
                             GateUpWgmmaEpilogue(out, n, AnyActivation(activation)), stream);
    }
    static void logits(const Weights& weights, LinearInput input, float* out, int n_rows,
                       const Stream& stream) {
        launch_wgmma<Stages>(weights, input, n_rows, LogitsWgmmaEpilogue(out, weights.n), stream);
    }
};

}  // namespace qwend
