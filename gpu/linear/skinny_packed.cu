#include <algorithm>
#include <bit>

#include "gpu/launch.h"
#include "gpu/linear/packed_steps.cuh"
#include "gpu/linear/skinny_mma.cuh"
#include "gpu/sm90/cp_async.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// linear_skinny_packed: y = norm(x) · Wᵀ and an epilogue, of quantised weights, for up to eight
// rows of x at a time.
//
// What    y (rows, n) of x (rows, k) bf16 and W (n, k) in codes of 4 or 8 bits; a weight is
//         (code - zero) * scale. mma takes code - zero, which bf16 has exactly; the sums of a group
//         of inputs are f32, and are added times the group's scale.
// Grid    (blocks that take tiles of 16 weight rows in turn; rows of x, as many as shared memory
//         holds and at most eight). More rows read the weights again.
// Block   kWarps warps, a slice of k each (split-K within the block), in chunks: what the layout's
//         tiles have of k.
// Shared  the rows of x; the warps' partial sums and parts of the sums of squares.
// Order   as linear_skinny_mma: a warp has the codes of kAhead chunks under way before it waits for
//         the kernel before it. When it has multiplied a chunk, it loads another in its place, of
//         the block's next tile too. x follows the wait and goes through shared memory, since lanes
//         of mma have pairs of it and not 16 bytes; all tiles of a block share it.
// When    ProductChoice knows.

namespace qwend {

namespace {

constexpr int kLongK = 4096;  // inputs, beyond which blocks have more warps

/// Chunks of one of n_slices slices of k, whose sizes differ by one at most.
struct ChunkSlice {
    int begin, n;
    __device__ ChunkSlice(int slice, int n_slices, int n_chunks)
        : begin(slice * n_chunks / n_slices), n((slice + 1) * n_chunks / n_slices - begin) {}
};

/// A warp's slice of x in shared memory, where rows of a block have k columns.
class InputSlice {
  public:
    // The padding has the rows of an 8 by 8 matrix begin at different banks.
    __host__ __device__ static int row_elements(int k) { return k + 8; }

    __device__ InputSlice(bf16* memory, int k, int begin) : to_(memory + begin), k_(k) {}
    /// Copies n columns from `begin` on. All lanes call it, and wait then.
    __device__ void copy(const LinearInput& input, int first_row, int n_rows, int begin, int n) {
        for (int row = 0; row < n_rows; row++) {
            const bf16* from = input.x + size_t(input.source(first_row + row)) * k_ + begin;
            bf16* to = to_ + row * row_elements(k_);
            for (int i = threadIdx.x % kWarp * 8; i < n; i += kWarp * 8) cp_async(to + i, from + i);
        }
        // Rows beyond are the last one again, whose sums are nobody's.
        const int lane = threadIdx.x % kWarp;
        from_ = to_ + min(lane % 8, n_rows - 1) * row_elements(k_) + lane / 8 * 8;
    }
    __device__ static void wait() {
        cp_async_wait_all();
        __syncwarp();
    }
    /// b0 and b1 of the two mma of a step.
    __device__ uint4 load(int step) const { return load_matrices(from_ + step * kStepColumns); }

  private:
    bf16* to_;
    const bf16* from_;
    int k_;
};

/// How a product is cut: warps of a block, chunks that each has under way, and blocks of an SM.
template <int WARPS, int AHEAD, int BLOCKS>
struct PackedCut {
    static constexpr int kWarps = WARPS, kAhead = AHEAD, kBlocks = BLOCKS;
};

/// A warp's sums of eight low and eight high weight rows, as it leaves them.
using WarpSums = float[16][kSkinnyRows + 1];

/// Sums of a warp: eight low and eight high weight rows times eight rows of x, as mma has them.
/// Products with whole numbers are added times their scales.
template <LinearKind KIND, bool HAS_HIGH>
struct PackedSums {
    using Steps = PackedSteps<KIND>;
    float total[4] = {};

    /// N steps that share scales, from step `first` of the chunk on.
    template <int N>
    __device__ void add(const uint4& low, const uint4& high, int first, uint32_t low_scale,
                        uint32_t high_scale, const uint4* x) {
        const auto low_zero = Steps::zero_of(low_scale), high_zero = Steps::zero_of(high_scale);
        float sums[2][4];  // two chains: an mma waits for the one before it that adds to the same
#pragma unroll
        for (int s = 0; s < N; s++) {
            const uint4 a = Steps::unpack(low, first + s, low_zero);
            const uint4 b = HAS_HIGH ? Steps::unpack(high, first + s, high_zero) : uint4{};
            if (s == 0) {
                mma_first(sums[0], a.x, b.x, a.y, b.y, x[s].x, x[s].y);
                mma_first(sums[1], a.z, b.z, a.w, b.w, x[s].z, x[s].w);
            } else {
                mma(sums[0], a.x, b.x, a.y, b.y, x[s].x, x[s].y);
                mma(sums[1], a.z, b.z, a.w, b.w, x[s].z, x[s].w);
            }
        }
        const float low_factor = Steps::scale_of(low_scale),
                    high_factor = Steps::scale_of(high_scale);
#pragma unroll
        for (int j = 0; j < (HAS_HIGH ? 4 : 2); j++)
            total[j] = fmaf(j < 2 ? low_factor : high_factor, sums[0][j] + sums[1][j], total[j]);
    }
    __device__ void put(WarpSums& to) const {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        to[g][2 * t] = total[0], to[g][2 * t + 1] = total[1];
        if constexpr (HAS_HIGH) to[g + 8][2 * t] = total[2], to[g + 8][2 * t + 1] = total[3];
    }
};

/// How a product's work is dealt to blocks.
struct PackedPlan {
    int n_rows, block_rows;  // of x; and of a block
    int n_tiles;
    int group_shift;  // 2^group_shift steps share a scale
};

template <int WARPS>
struct PackedShared {
    WarpSums sums[2][WARPS];            // for tiles in turn
    float squares[kSkinnyRows][WARPS];  // of rows of x: the warps' parts
};

/// Leaves the warps' parts of the sums of squares of rows of x.
template <int WARPS>
__device__ void sum_squares(PackedShared<WARPS>& shared, const LinearInput& input, int first_row,
                            int n_rows, int k) {
    if (!input.squares) return;
    const int n = k / kSkinnySquareWidth;
    for (int row = 0; row < n_rows; row++) {
        const float* squares = input.squares + size_t(input.source(first_row + row)) * n;
        float sum = 0;
        for (int i = threadIdx.x; i < n; i += WARPS * kWarp) sum += squares[i];
        sum = warp_sum(sum);
        if (threadIdx.x % kWarp == 0) shared.squares[row][threadIdx.x / kWarp] = sum;
    }
}
/// 1 / rms of a row, or 1 where it is normed already.
template <int WARPS>
__device__ float rms_scale(const PackedShared<WARPS>& shared, const LinearInput& input, int row,
                           int k) {
    if (!input.squares) return 1;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) sum += shared.squares[row][w];
    return rsqrtf(sum / float(k) + input.eps);
}

/// The warps' sums of weight rows low + i and high + i, added warp by warp.
template <bool HAS_HIGH, int WARPS>
__device__ float2 total_of(const WarpSums (&sums)[WARPS], int i, int column) {
    float low = 0, high = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        low += sums[w][i][column];
        if constexpr (HAS_HIGH) high += sums[w][i + 8][column];
    }
    return {low, high};
}

/// A warp's slice of eight low and eight high weight rows, of which a lane has AHEAD chunks under
/// way.
template <int AHEAD, LinearKind KIND, bool WIDE, class Epilogue>
class PackedStream {
    using Steps = PackedSteps<KIND>;

  public:
    static constexpr int kScales = WIDE ? 1 : Steps::kOfChunk;
    struct Chunk {
        uint4 low = {}, high = {};
        uint32_t low_scales[kScales] = {}, high_scales[kScales] = {};
    };
    /// Of a tile's weight rows, the first tiles of codes and the first scales.
    struct Place {
        int low, high, low_scales, high_scales;
    };
    Chunk ahead[AHEAD];

    __device__ PackedStream(const PackedWeights& weights, int group_shift, int first_chunk)
        : lane_(weights), group_shift_(group_shift), first_(first_chunk) {}

    __device__ Place place_of(const WeightRows& rows) const {
        return {lane_.tile(rows.low), lane_.tile(rows.high), lane_.scales(rows.low),
                lane_.scales(rows.high)};
    }
    __device__ void load(int i, const Place& at, int of_slice) {
        const int chunk = first_ + of_slice;
        ahead[i].low = load_streaming(lane_.codes(at.low + chunk));
        if constexpr (Epilogue::kHasHigh)
            ahead[i].high = load_streaming(lane_.codes(at.high + chunk));
#pragma unroll
        for (int s = 0; s < kScales; s++) {
            const int group = (chunk * Steps::kOfChunk + s) >> group_shift_;
            ahead[i].low_scales[s] = *lane_.scale(at.low_scales + group);
            if constexpr (Epilogue::kHasHigh)
                ahead[i].high_scales[s] = *lane_.scale(at.high_scales + group);
        }
    }

  private:
    const PackedLane<KIND> lane_;
    const int group_shift_, first_;
};

/// Multiplies a warp's slice of a tile's weight rows, whose first chunks are under way, and starts
/// to load those of the block's next tile.
template <class Packed, int AHEAD, LinearKind KIND, class Sums>
__device__ void multiply_slice(Sums& sums, Packed& packed, const InputSlice& x_slice, int n_chunks,
                               const typename Packed::Place& place, bool has_next,
                               const typename Packed::Place& next) {
    constexpr int kSteps = PackedSteps<KIND>::kOfChunk, kScales = Packed::kScales;
    for (int begin = 0; begin < n_chunks; begin += AHEAD)
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            const int chunk = begin + i;
            if (chunk >= n_chunks) break;
            uint4 x[kSteps];
#pragma unroll
            for (int s = 0; s < kSteps; s++) x[s] = x_slice.load(chunk * kSteps + s);
            const auto& w = packed.ahead[i];
#pragma unroll
            for (int s = 0; s < kScales; s++)
                sums.template add<kSteps / kScales>(w.low, w.high, s, w.low_scales[s],
                                                    w.high_scales[s], x + s);
            // In two branches: one that selects an address is slower.
            if (chunk + AHEAD < n_chunks)
                packed.load(i, place, chunk + AHEAD);
            else if (has_next)
                packed.load(i, next, i);
        }
}

/// What a thread finishes: of a tile, the outputs low + i and high + i of a row of x.
struct Finished {
    int i, column, row;
    bool is_row;
    __device__ Finished(int first_row, int n_rows)
        : i(threadIdx.x % 8),
          column(threadIdx.x / 8),
          row(first_row + column),
          is_row(column < n_rows) {}
};

/// WIDE: a scale is of a chunk or more.
template <class Cut, LinearKind KIND, bool WIDE, class Epilogue>
__global__ void __launch_bounds__(Cut::kWarps* kWarp, Cut::kBlocks)
    linear_skinny_packed_kernel(PackedWeights weights, PackedPlan plan, LinearInput input,
                                Epilogue epilogue) {
    constexpr int kInputs = PackedSteps<KIND>::kInputs, kWarps = Cut::kWarps;
    using Packed = PackedStream<Cut::kAhead, KIND, WIDE, Epilogue>;
    __shared__ PackedShared<kWarps> shared;
    extern __shared__ __align__(16) bf16 rows_of_x[];
    const int warp = threadIdx.x / kWarp, first_row = blockIdx.y * plan.block_rows;
    const int n_here = min(plan.block_rows, plan.n_rows - first_row);
    const ChunkSlice slice(warp, kWarps, weights.k / kInputs);

    allow_next_kernel();
    int tile = blockIdx.x;
    Packed packed(weights, plan.group_shift, slice.begin);
    auto place = packed.place_of(epilogue.weight_rows(tile));
#pragma unroll
    for (int i = 0; i < Cut::kAhead; i++)
        if (i < slice.n) packed.load(i, place, i);
    __syncwarp();  // keeps ptxas from moving the loads down
    const Finished out(first_row, n_here);
    typename Epilogue::State state = epilogue.prepare(tile, out.i, out.row, out.is_row);
    wait_for_previous_kernel();

    InputSlice x_slice(rows_of_x, weights.k, slice.begin * kInputs);
    x_slice.copy(input, first_row, n_here, slice.begin * kInputs, slice.n * kInputs);
    epilogue.fetch(state, tile, out.i, out.row, out.is_row);
    sum_squares(shared, input, first_row, n_here, weights.k);
    InputSlice::wait();
    float scale = 1;
    for (int turn = 0; tile < plan.n_tiles; turn++) {
        const int next_tile = tile + int(gridDim.x);
        const bool has_next = next_tile < plan.n_tiles;
        const auto next = packed.place_of(epilogue.weight_rows(has_next ? next_tile : tile));
        PackedSums<KIND, Epilogue::kHasHigh> sums;
        multiply_slice<Packed, Cut::kAhead, KIND>(sums, packed, x_slice, slice.n, place, has_next,
                                                  next);
        sums.put(shared.sums[turn % 2][warp]);
        __syncthreads();  // the sums of two tiles before are not read any more
        if (out.column < kSkinnyRows) {
            if (turn == 0) scale = rms_scale(shared, input, min(out.column, n_here - 1), weights.k);
            const float2 total =
                total_of<Epilogue::kHasHigh>(shared.sums[turn % 2], out.i, out.column);
            epilogue.finish(state, tile, out.i, out.row, out.is_row, total.x * scale,
                            total.y * scale);
            if (has_next) {
                state = epilogue.prepare(next_tile, out.i, out.row, out.is_row);
                epilogue.fetch(state, next_tile, out.i, out.row, out.is_row);
            }
        }
        tile = next_tile, place = next;
    }
}

template <class Cut, LinearKind KIND, bool WIDE, class Epilogue>
void launch_cut(const PackedWeights& weights, const LinearInput& input, int n_rows,
                const Epilogue& epilogue, const Stream& stream) {
    static_assert(Cut::kWarps * kWarp >= 8 * kSkinnyRows);  // a thread for each output
    constexpr int kRoom = 160 << 10;                        // bytes of shared memory for x
    const int row_bytes = InputSlice::row_elements(weights.k) * int(sizeof(bf16));
    PackedPlan plan{};
    plan.n_rows = n_rows;
    plan.block_rows = std::clamp(kRoom / row_bytes, 1, std::min(n_rows, kSkinnyRows));
    plan.n_tiles = weights.n / (Epilogue::kHasHigh ? 16 : 8);
    plan.group_shift =
        weights.group == weights.k ? 31 : std::countr_zero(unsigned(weights.group / kStepColumns));
    const int n_blocks = std::min(plan.n_tiles, kMultiprocessors * Cut::kBlocks);
    LaunchShape shape{
        dim3(unsigned(n_blocks), unsigned((n_rows + plan.block_rows - 1) / plan.block_rows)),
        Cut::kWarps * kWarp};
    shape.shared_bytes = size_t(plan.block_rows) * size_t(row_bytes);
    shape.carveout_percent = kLargeStepCarveout;
    launch_dependent(linear_skinny_packed_kernel<Cut, KIND, WIDE, Epilogue>, shape, stream, weights,
                     plan, input, epilogue);
}

template <class Cut, LinearKind KIND, class Epilogue>
void launch_kind(const PackedWeights& weights, const LinearInput& input, int n_rows,
                 const Epilogue& epilogue, const Stream& stream) {
    const bool is_wide = weights.group % PackedSteps<KIND>::kInputs == 0;
    if (is_wide)
        launch_cut<Cut, KIND, true>(weights, input, n_rows, epilogue, stream);
    else
        launch_cut<Cut, KIND, false>(weights, input, n_rows, epilogue, stream);
}

using CutOfHidden = PackedCut<8, 4, 2>;
using CutOfShortK = PackedCut<8, 4, 2>;
using CutOfLongK = PackedCut<16, 4, 1>;

template <class Cut, class Epilogue>
void launch(const PackedWeights& weights, const LinearInput& input, int n_rows,
            const Epilogue& epilogue, const Stream& stream) {
    SHAPE_CHECK(n_rows > 0 && weights.n % 16 == 0);
    switch (weights.kind) {
        case LinearKind::int4:
            return launch_kind<Cut, LinearKind::int4>(weights, input, n_rows, epilogue, stream);
        case LinearKind::int8:
            return launch_kind<Cut, LinearKind::int8>(weights, input, n_rows, epilogue, stream);
        case LinearKind::fp8:
            return launch_kind<Cut, LinearKind::fp8>(weights, input, n_rows, epilogue, stream);
        case LinearKind::dense:
            break;
    }
    shape_fault("quantised weights", __FILE__, __LINE__);
}

void qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    SHAPE_CHECK(args.weights.n == args.out.shape.qkv_dim() && args.out.shape.head_dim % 16 == 0);
    launch<CutOfHidden>(packed(args.weights), args.input, n_rows, QkvMmaEpilogue{args.out}, stream);
}

/// Two tiles of an epilogue whose tiles have eight weight rows.
template <class Epilogue>
struct InPairs {
    static constexpr bool kHasHigh = true;
    struct State {
        typename Epilogue::State low, high;
    };
    Epilogue of;
    __device__ WeightRows weight_rows(int tile) const {
        return {of.weight_rows(2 * tile).low, of.weight_rows(2 * tile + 1).low};
    }
    __device__ State prepare(int tile, int i, int row, bool is_row) const {
        return {of.prepare(2 * tile, i, row, is_row), of.prepare(2 * tile + 1, i, row, is_row)};
    }
    __device__ void fetch(State& state, int tile, int i, int row, bool is_row) const {
        of.fetch(state.low, 2 * tile, i, row, is_row);
        of.fetch(state.high, 2 * tile + 1, i, row, is_row);
    }
    __device__ void finish(const State& state, int tile, int i, int row, bool is_row, float low,
                           float high) const {
        of.finish(state.low, 2 * tile, i, row, is_row, low, 0);
        of.finish(state.high, 2 * tile + 1, i, row, is_row, high, 0);
    }
};

/// `Epilogue`: one of those whose tiles have eight weight rows, of which there are few.
template <class Epilogue>
void launch_narrow(const PackedWeights& weights, const bf16* x, int n_rows,
                   const Epilogue& epilogue, const Stream& stream) {
    const LinearInput input{x, nullptr, 0};
    if (weights.k > kLongK)
        launch<CutOfLongK>(weights, input, n_rows, InPairs<Epilogue>{epilogue}, stream);
    else
        launch<CutOfShortK>(weights, input, n_rows, InPairs<Epilogue>{epilogue}, stream);
}

void add(LinearWeights weights, const bf16* x, ResidualStream out, int n_rows,
         const Stream& stream) {
    launch_narrow(packed(weights), x, n_rows, AddMmaEpilogue{out, weights.n}, stream);
}

void partial(LinearWeights weights, const bf16* x, float* out, int n_rows, const Stream& stream) {
    launch_narrow(packed(weights), x, n_rows, PartialMmaEpilogue{out, weights.n}, stream);
}

void gate_up(LinearWeights weights, LinearInput input, Activation activation, bf16* out, int n_rows,
             const Stream& stream) {
    const int n = weights.n / 2;
    if (activation == Activation::silu)
        return launch<CutOfHidden>(packed(weights), input, n_rows,
                                   GateUpMmaEpilogue<Silu>{out, n, {}}, stream);
    launch<CutOfHidden>(packed(weights), input, n_rows,
                        GateUpMmaEpilogue<AnyActivation>{out, n, AnyActivation(activation)},
                        stream);
}

void logits(LinearWeights weights, LinearInput input, float* out, int n_rows,
            const Stream& stream) {
    launch<CutOfHidden>(packed(weights), input, n_rows, LogitsMmaEpilogue{out, weights.n}, stream);
}

}  // namespace

const LinearKernels kSkinnyPacked{qkv, add, partial, gate_up, logits, kSkinnySquareWidth, true};

}  // namespace qwend
