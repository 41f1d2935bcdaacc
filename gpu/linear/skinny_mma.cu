#include "gpu/launch.h"
#include "gpu/linear/skinny_mma.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// linear_skinny_mma: y = norm(x) · Wᵀ and an epilogue, for up to eight rows of x at a time.
//
// What    y (rows, n) of x (rows, k) bf16 and W (n, k) bf16; sums in f32; results as the epilogue
//         has them (skinny_mma_epilogues.cuh). The operands are swapped: weights are the A side of
//         mma (16 rows), x the B side (8 columns), so 1 to 8 rows cost the same.
// Grid    (n / 16 or n / 8 weight rows of a tile, rows / 8); more rows read the weights again.
// Block   WARPS warps, a slice of k each (split-K within the block).
// Shared  the warps' partial sums and the rows' scales: static, below 5 KiB.
// Order   A warp loads all its weights, or as many steps ahead as registers hold, before it waits
//         for the previous kernel: weights depend on nothing, and so the memory is never idle. Then
//         it loads x, multiplies, and leaves its partial sums in shared memory; after a barrier of
//         the block eight threads a row of x add them slice by slice and run the epilogue.
// When    Up to kSkinnyRows rows, where it reads weights at memory speed. More rows are faster with
//         linear_wgmma_sm90 (Forward chooses), which reads weights once for all of them; before
//         sm_90, with cuBLASLt.

namespace qwend {

namespace {

constexpr int kWarps = 4;       // of a block, where k is the hidden size
constexpr int kStepsAhead = 7;  // steps of k whose weights such a warp has in flight

/// Where a thread reads a row of weights, from step `begin` on.
__device__ inline const bf16* place_in(const DenseWeights& weights, int row, int begin, int t) {
    return weights.data + size_t(row) * weights.k + begin * kStepColumns + 8 * t;
}

/// So many steps have their loads of x in flight: all, unless there are too few registers.
constexpr int steps_together(int ahead, int min_blocks) {
    return ahead > 10 || min_blocks > 4 ? (ahead + 1) / 2 : ahead;
}

/// AHEAD: steps of k whose weights a warp keeps in flight. EXACT: its slice has just so many.
/// MIN_BLOCKS: an SM, which bounds the registers of a thread.
template <int WARPS, int AHEAD, bool EXACT, int MIN_BLOCKS, class Epilogue>
__global__ void __launch_bounds__(WARPS* kWarp, MIN_BLOCKS)
    linear_skinny_mma_kernel(DenseWeights weights, int n_rows, LinearInput input,
                             Epilogue epilogue) {
    __shared__ BlockSums<WARPS, Epilogue> sums;
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int tile = blockIdx.x, first_row = blockIdx.y * kSkinnyRows;
    const WeightRows rows = epilogue.weight_rows(tile);
    const KSlice slice(warp, WARPS, weights.k);
    const bf16* low = place_in(weights, rows.low + g, slice.begin, t);
    const bf16* high = place_in(weights, rows.high + g, slice.begin, t);
    const int n_here = min(kSkinnyRows, n_rows - first_row);

    allow_next_kernel();
    uint4 low_ahead[AHEAD], high_ahead[AHEAD] = {};
    auto load_weights = [&](int i, int step) {
        if (!EXACT && step >= slice.n) {
            low_ahead[i] = high_ahead[i] = {};
            return;
        }
        low_ahead[i] = load_streaming(low + step * kStepColumns);
        if constexpr (Epilogue::kHasHigh)
            high_ahead[i] = load_streaming(high + step * kStepColumns);
    };
#pragma unroll
    for (int i = 0; i < AHEAD; i++) load_weights(i, i);
    __syncwarp();  // keeps ptxas from moving the loads down
    const int out_i = threadIdx.x % 8, out_column = threadIdx.x / 8;  // what this thread finishes
    const int out_row = first_row + out_column;
    const bool is_row = out_column < n_here;
    typename Epilogue::State state = epilogue.prepare(tile, out_i, out_row, is_row);
    wait_for_previous_kernel();

    epilogue.fetch(state, tile, out_i, out_row, is_row);
    const InputRow input_row(input, first_row, n_here, weights.k, slice.begin);
    MmaChains<EXACT ? mma_chains(AHEAD) : 1> step_sums;
    constexpr int kTogether = steps_together(AHEAD, MIN_BLOCKS);
    int begin = 0;  // of a round of AHEAD steps
    do {
#pragma unroll
        for (int first = 0; first < AHEAD; first += kTogether) {
            uint4 x[kTogether];
            input_row.load<AHEAD, EXACT>(x, begin, first, slice.n);
            if (first == 0 && (EXACT || begin == 0))
                make_rms_scales<WARPS>(sums.scales, warp, input, first_row, n_here, weights.k);
#pragma unroll
            for (int i = 0; i < kTogether; i++) {
                if (first + i >= AHEAD) break;
                step_sums.add(first + i, low_ahead[first + i], high_ahead[first + i], x[i]);
                if (!EXACT) load_weights(first + i, begin + first + i + AHEAD);
            }
        }
        begin += AHEAD;
    } while (!EXACT && begin < slice.n);
    sums.put(warp, g, t, step_sums);
    __syncthreads();
    if (out_column >= kSkinnyRows) return;
    const float2 total = sums.total(out_i, out_column);
    epilogue.finish(state, tile, out_i, out_row, is_row, total.x, total.y);
}

template <int WARPS, int AHEAD, int MIN_BLOCKS, class Epilogue>
void launch_skinny(DenseWeights weights, LinearInput input, int n_rows, Epilogue epilogue,
                   const Stream& stream) {
    static_assert(WARPS * kWarp >= 8 * kSkinnyRows);  // a thread for each element of the output
    SHAPE_CHECK(n_rows > 0 && weights.n % 32 == 0 && weights.k % kStepColumns == 0);
    const dim3 grid(weights.n / (Epilogue::kHasHigh ? 16 : 8),
                    (n_rows + kSkinnyRows - 1) / kSkinnyRows);
    LaunchShape shape{grid, WARPS * kWarp};
    if (weights.k != WARPS * AHEAD * kStepColumns)
        return launch_dependent(linear_skinny_mma_kernel<WARPS, AHEAD, false, MIN_BLOCKS, Epilogue>,
                                shape, stream, weights, n_rows, input, epilogue);
    shape.carveout_percent = kSmallStepCarveout;
    launch_dependent(linear_skinny_mma_kernel<WARPS, AHEAD, true, MIN_BLOCKS, Epilogue>, shape,
                     stream, weights, n_rows, input, epilogue);
}

void qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    SHAPE_CHECK(args.weights.n == args.out.shape.qkv_dim() && args.out.shape.head_dim % 16 == 0);
    launch_skinny<kWarps, kStepsAhead, 4>(dense(args.weights), args.input, n_rows,
                                          QkvMmaEpilogue{args.out}, stream);
}

/// `Epilogue`: one of those whose tiles have eight weight rows.
template <class Epilogue>
void launch_narrow(DenseWeights weights, const bf16* x, int n_rows, Epilogue epilogue,
                   const Stream& stream) {
    const LinearInput input{x, nullptr, 0};
    if (weights.k == kOProjSlices * kOProjSliceSteps * kStepColumns)
        launch_skinny<kOProjSlices, kOProjSliceSteps, 2>(weights, input, n_rows, epilogue, stream);
    // A long k is cut into more slices: there are few tiles, and each must have enough in flight.
    else if (weights.k > 2048)
        launch_skinny<8, 19, 1>(weights, input, n_rows, epilogue, stream);
    else
        launch_skinny<kWarps, kStepsAhead, 4>(weights, input, n_rows, epilogue, stream);
}

void add(LinearWeights weights, const bf16* x, ResidualStream out, int n_rows,
         const Stream& stream) {
    launch_narrow(dense(weights), x, n_rows, AddMmaEpilogue{out, weights.n}, stream);
}

void partial(LinearWeights weights, const bf16* x, float* out, int n_rows, const Stream& stream) {
    launch_narrow(dense(weights), x, n_rows, PartialMmaEpilogue{out, weights.n}, stream);
}

void gate_up(LinearWeights weights, LinearInput input, Activation activation, bf16* out, int n_rows,
             const Stream& stream) {
    const int n = weights.n / 2;
    if (activation == Activation::silu)
        return launch_skinny<kWarps, kStepsAhead, 5>(dense(weights), input, n_rows,
                                                     GateUpMmaEpilogue<Silu>{out, n, {}}, stream);
    launch_skinny<kWarps, kStepsAhead, 5>(
        dense(weights), input, n_rows,
        GateUpMmaEpilogue<AnyActivation>{out, n, AnyActivation(activation)}, stream);
}

void logits(LinearWeights weights, LinearInput input, float* out, int n_rows,
            const Stream& stream) {
    launch_skinny<kWarps, kStepsAhead, 5>(dense(weights), input, n_rows,
                                          LogitsMmaEpilogue{out, weights.n}, stream);
}

}  // namespace

const LinearKernels kSkinnyMma{qkv, add, partial, gate_up, logits, kSkinnySquareWidth, true};

}  // namespace qwend
