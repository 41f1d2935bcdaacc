#include "gpu/linear/wgmma_sm90.h"

#include <algorithm>

#include "gpu/launch.h"
#include "gpu/linear/weight_map.h"
#include "gpu/linear/wgmma_sm90.cuh"

namespace qwend {

namespace {

template <int WARPGROUPS, int ROWS, class Out>
__global__ void __launch_bounds__(ManyShape<WARPGROUPS, ROWS>::kThreads,
                                  ManyShape<WARPGROUPS, ROWS>::kBlocksAnSm)
    many_kernel(const __grid_constant__ CUtensorMap weights,
                const __grid_constant__ CUtensorMap input_map, ManyPlan plan, RowInput input,
                Out out) {
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(1024) unsigned char shared[];
    allow_next_kernel();
    ManyBlock<WARPGROUPS, ROWS, Out> block(shared, plan);
    block.init_barriers();
    const int helper = int(threadIdx.x) - ManyShape<WARPGROUPS, ROWS>::kConsumers;
    if (helper < 0) return block.multiply_and_finish(out);
    if (helper >= kWarp)
        block.make_scales(input, helper - kWarp);
    else if (helper == 0)
        block.copy(weights, input_map);
    __syncwarp();
    if (gridDim.x == 1) return;
    cluster_wait();
    cluster_arrive_relaxed();
    cluster_wait();
#else
    __trap();  // has_wgmma()
#endif
}

int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

/// Shares of k, where there are too few tiles to keep the device busy. Four at most: a block hands
/// on all of its sums whatever its share, and that takes longer than its products do.
int steps_each(int n_tiles, int n_steps) {
    constexpr int kMostShares = 4, kLeastSteps = 4;
    const int n_shares = std::clamp((kMultiprocessors + n_tiles / 2) / n_tiles, 1, kMostShares);
    return std::max(kLeastSteps, divide_up(n_steps, n_shares));
}

template <int WARPGROUPS, int ROWS, class Out>
void launch(RowWeights weights, RowInput input, Out out, ManyPlan plan, cudaStream_t stream) {
    using S = ManyShape<WARPGROUPS, ROWS>;
    const int n_blocks = divide_up(plan.n_steps, plan.steps_each);
    const dim3 grid(unsigned(n_blocks), unsigned(divide_up(plan.n_rows, ROWS)),
                    unsigned(divide_up(plan.n_groups, S::kGroups)));
    // Half an SM's shared memory for a block, so that the next kernel's come beside it. More for
    // large tiles, if there are not so many that clusters would wait for a place.
    constexpr int kHalf = (228 << 10) / 2 - 1024, kWhole = 227 << 10;  // bytes
    constexpr unsigned kPlaces = kMultiprocessors - 20;
    const bool is_alone = ROWS > 64 && grid.x * grid.y * grid.z <= kPlaces;
    const int room = S::kBlocksAnSm == 1 || is_alone ? kWhole : kHalf;
    plan.n_stages = std::min(kMaxStages, plan.steps_each);
    while (plan.n_stages > 2 && S::memory(plan.n_stages, n_blocks).total > room) plan.n_stages--;
    const WeightTiles tiles(weights, out.run(), S::kGroups);
    plan.groups_a_run = tiles.groups_a_run;

    LaunchShape shape{grid, S::kThreads};
    shape.shared_bytes = size_t(S::memory(plan.n_stages, n_blocks).total);
    shape.cluster = unsigned(n_blocks);
    shape.shared_percent = kManySharedPercent;
    launch_dependent(many_kernel<WARPGROUPS, ROWS, Out>, shape, stream, tiles.map,
                     matrix_tensor_map(input.x, plan.n_rows, plan.k, ROWS), plan, input, out);
}

/// Rows of input of a block: all, so that weights are read once; but where blocks share k, and hand
/// on the more the more rows they have, fewer, as long as there are SMs for more blocks.
int rows_of_block(const ManyPlan& plan, int n_tiles) {
    constexpr int kFewest = 16, kMost = 256, kMostBlocks = 160;
    const int n_shares = divide_up(plan.n_steps, plan.steps_each);
    int rows = kFewest;
    auto is_enough = [&] {
        const int n_row_tiles = divide_up(plan.n_rows, rows);
        return n_row_tiles == 1 ||
               (n_shares > 1 && n_row_tiles * n_shares * n_tiles <= kMostBlocks);
    };
    while (rows < kMost && !is_enough()) rows *= 2;
    return rows;
}

template <class Out>
void launch_many(RowWeights weights, RowInput input, int n_rows, Out out, cudaStream_t stream) {
    const int n_tiles = divide_up(weights.n, 64);
    ManyPlan plan{};
    plan.n_rows = n_rows, plan.n_groups = weights.n / 16, plan.k = weights.k;
    plan.n_steps = divide_up(weights.k, kSwizzleColumns);
    plan.steps_each = Out::kIsDirect ? plan.n_steps : steps_each(n_tiles, plan.n_steps);
    constexpr int kWide = Out::kIsDirect ? 2 : 1;  // there are tiles enough
    switch (rows_of_block(plan, n_tiles)) {
        case 16:
            return launch<1, 16>(weights, input, out, plan, stream);
        case 32:
            return launch<1, 32>(weights, input, out, plan, stream);
        case 64:
            return launch<1, 64>(weights, input, out, plan, stream);
        case 128:
            return launch<kWide, 128>(weights, input, out, plan, stream);
        default:
            return launch<kWide, 256>(weights, input, out, plan, stream);
    }
}

}  // namespace

void qkv_many(const QkvRows& args, int n_rows, cudaStream_t stream) {
    launch_many(args.weights, args.input, n_rows, QkvOutput(args), stream);
}

void add_many(RowWeights weights, const bf16* x, RowStream out, int n_rows, cudaStream_t stream) {
    launch_many(weights, {x, nullptr, 0}, n_rows, AddOutput(out, weights.n), stream);
}

void gate_up_many(RowWeights weights, RowInput input, bf16* out, int n_rows, cudaStream_t stream) {
    launch_many(weights, input, n_rows, GateUpOutput(out, weights.n / 2), stream);
}

void logits_many(RowWeights weights, RowInput input, float* logits, int n_rows,
                 cudaStream_t stream) {
    launch_many(weights, input, n_rows, LogitsOutput(logits, weights.n), stream);
}

int max_many_rows(int hidden_size) {
    return hidden_size <= 1024 ? 256 : 64;
}

}  // namespace qwend
