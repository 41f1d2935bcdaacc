#include <bit>

#include "gpu/launch.h"
#include "gpu/linear/packed_steps.cuh"
#include "gpu/linear/skinny_mma.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// linear_skinny_packed: y = norm(x) · Wᵀ and an epilogue, of quantised weights, for up to eight
// rows of x at a time.
//
// What    y (rows, n) of x (rows, k) bf16 and W (n, k) in codes of 4 or 8 bits; a weight is
//         (code - zero) * scale. mma takes code - zero, which bf16 has exactly; the sums of a group
//         of inputs are f32, and are added times the group's scale.
// Grid    (n / 16 or n / 8 weight rows of a tile, rows / 8), as linear_skinny_mma; more rows read
//         the weights again.
// Block   WARPS warps, a slice of k each (split-K within the block), in chunks of 64 bytes.
// Shared  the warps' partial sums and the rows' scales.
// Order   as linear_skinny_mma: a warp has AHEAD chunks under way before it waits for the kernel
//         before it, and loads another when it has multiplied one.
// When    Up to kMostPackedRows rows of quantised weights; for more they are unpacked once a step.

namespace qwend {

namespace {

constexpr int kWarps = 4, kWarpsOfLongK = 8;
constexpr int kLongK = 2048;
constexpr int kChunksAhead = 4;

/// Chunks of one of WARPS slices of k.
struct ChunkSlice {
    int begin, n;
    __device__ ChunkSlice(int slice, int n_slices, int n_chunks) {
        const int each = (n_chunks + n_slices - 1) / n_slices;
        begin = min(slice * each, n_chunks);
        n = min(each, n_chunks - begin);
    }
};

/// A row of weights as a thread reads it.
template <LinearKind KIND>
class PackedRow {
    using Steps = PackedSteps<KIND>;
    static constexpr int kInputs = Steps::kOfChunk * kStepColumns;  // of a chunk

  public:
    __device__ PackedRow(const PackedWeights& w, int row, int first_chunk, int t)
        : codes_(w.codes + (size_t(row) * (w.k / kInputs) + first_chunk) * 64 + 16 * t),
          scales_(w.scales + size_t(row) * (w.k / w.group)),
          first_step_(first_chunk * Steps::kOfChunk) {}
    __device__ uint4 load(int chunk) const { return load_streaming(codes_ + chunk * 64); }
    /// Of a chunk of the slice, where 2^shift chunks share it.
    __device__ uint32_t scale_of_chunk(int chunk, int shift) const {
        return scales_[(first_step_ / Steps::kOfChunk + chunk) >> shift];
    }
    /// Of a step of the slice, where so many share it.
    __device__ uint32_t scale_of_step(int step, int group_steps) const {
        return scales_[(first_step_ + step) / group_steps];
    }

  private:
    const std::byte* codes_;
    const uint32_t* scales_;
    int first_step_;
};

/// WIDE: a group is 2^group_size chunks, or all; else group_size steps.
template <int WARPS, int MIN_BLOCKS, LinearKind KIND, bool WIDE, class Epilogue>
__global__ void __launch_bounds__(WARPS* kWarp, MIN_BLOCKS)
    linear_skinny_packed_kernel(PackedWeights weights, int group_size, int n_rows,
                                LinearInput input, Epilogue epilogue) {
    using Steps = PackedSteps<KIND>;
    constexpr int kSteps = Steps::kOfChunk, kScales = WIDE ? 1 : kSteps;
    __shared__ BlockSums<WARPS, Epilogue> sums;
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int tile = blockIdx.x, first_row = blockIdx.y * kSkinnyRows;
    const WeightRows rows = epilogue.weight_rows(tile);
    const ChunkSlice slice(warp, WARPS, weights.k / (kSteps * kStepColumns));
    const PackedRow<KIND> low(weights, rows.low + g, slice.begin, t),
        high(weights, rows.high + g, slice.begin, t);
    const int n_here = min(kSkinnyRows, n_rows - first_row);

    allow_next_kernel();
    uint4 low_ahead[kChunksAhead] = {}, high_ahead[kChunksAhead] = {};
    uint32_t low_scales[kChunksAhead][kScales] = {}, high_scales[kChunksAhead][kScales] = {};
    auto load_weights = [&](int i, int chunk) {
        if (chunk >= slice.n) return;
        low_ahead[i] = low.load(chunk);
        if constexpr (Epilogue::kHasHigh) high_ahead[i] = high.load(chunk);
#pragma unroll
        for (int s = 0; s < kScales; s++) {
            auto scale = [&](const PackedRow<KIND>& row) {
                return WIDE ? row.scale_of_chunk(chunk, group_size)
                            : row.scale_of_step(chunk * kSteps + s, group_size);
            };
            low_scales[i][s] = scale(low);
            if constexpr (Epilogue::kHasHigh) high_scales[i][s] = scale(high);
        }
    };
#pragma unroll
    for (int i = 0; i < kChunksAhead; i++) load_weights(i, i);
    __syncwarp();  // keeps ptxas from moving the loads down
    const int out_i = threadIdx.x % 8, out_column = threadIdx.x / 8;  // what this thread finishes
    const int out_row = first_row + out_column;
    const bool is_row = out_column < n_here;
    typename Epilogue::State state = epilogue.prepare(tile, out_i, out_row, is_row);
    wait_for_previous_kernel();

    epilogue.fetch(state, tile, out_i, out_row, is_row);
    const InputRow input_row(input, first_row, n_here, weights.k, slice.begin * kSteps);
    make_rms_scales<WARPS>(sums.scales, input, first_row, n_here, weights.k);
    float total_of_slice[4] = {};
    auto multiply = [&](int i, int chunk) {
        uint4 x[kSteps];
#pragma unroll
        for (int s = 0; s < kSteps; s++) x[s] = input_row.load(chunk * kSteps + s);
#pragma unroll
        for (int of_scale = 0; of_scale < kScales; of_scale++) {
            const uint32_t low_scale = low_scales[i][of_scale],
                           high_scale = high_scales[i][of_scale];
            const auto low_zero = Steps::zero_of(low_scale), high_zero = Steps::zero_of(high_scale);
            MmaChains<2> group_sums;
#pragma unroll
            for (int s = 0; s < kSteps / kScales; s++) {
                const int step = of_scale * (kSteps / kScales) + s;
                uint4 high_step = {};
                if constexpr (Epilogue::kHasHigh)
                    high_step = Steps::unpack(high_ahead[i], step, high_zero);
                group_sums.add(s, Steps::unpack(low_ahead[i], step, low_zero), high_step, x[step]);
            }
            float sum[4];
            group_sums.total(sum);
#pragma unroll
            for (int j = 0; j < 4; j++)
                total_of_slice[j] = fmaf(Steps::scale_of(j < 2 ? low_scale : high_scale), sum[j],
                                         total_of_slice[j]);
        }
    };
    for (int begin = 0; begin < slice.n; begin += kChunksAhead)
#pragma unroll
        for (int i = 0; i < kChunksAhead; i++) {
            if (begin + i >= slice.n) break;
            multiply(i, begin + i);
            load_weights(i, begin + i + kChunksAhead);
        }
    sums.put(warp, g, t, total_of_slice);
    __syncthreads();
    if (out_column >= kSkinnyRows) return;
    const float2 total = sums.total(out_i, out_column);
    epilogue.finish(state, tile, out_i, out_row, is_row, total.x, total.y);
}

template <int WARPS, int MIN_BLOCKS, LinearKind KIND, class Epilogue>
void launch_kind(const PackedWeights& weights, const LinearInput& input, int n_rows,
                 const Epilogue& epilogue, const Stream& stream) {
    static_assert(WARPS * kWarp >= 8 * kSkinnyRows);  // a thread for each element of the output
    const LaunchShape shape{
        dim3(weights.n / (Epilogue::kHasHigh ? 16 : 8), (n_rows + kSkinnyRows - 1) / kSkinnyRows),
        WARPS * kWarp};
    constexpr int kInputs = PackedSteps<KIND>::kOfChunk * kStepColumns;  // of a chunk
    const bool is_all = weights.group == weights.k;
    const auto n_chunks = unsigned(weights.group / kInputs);
    if (is_all || (weights.group % kInputs == 0 && std::has_single_bit(n_chunks)))
        launch_dependent(linear_skinny_packed_kernel<WARPS, MIN_BLOCKS, KIND, true, Epilogue>,
                         shape, stream, weights, is_all ? 31 : std::countr_zero(n_chunks), n_rows,
                         input, epilogue);
    else
        launch_dependent(linear_skinny_packed_kernel<WARPS, MIN_BLOCKS, KIND, false, Epilogue>,
                         shape, stream, weights, weights.group / kStepColumns, n_rows, input,
                         epilogue);
}

template <int WARPS, int MIN_BLOCKS, class Epilogue>
void launch(const PackedWeights& weights, const LinearInput& input, int n_rows,
            const Epilogue& epilogue, const Stream& stream) {
    SHAPE_CHECK(n_rows > 0 && weights.n % 16 == 0);
    switch (weights.kind) {
        case LinearKind::int4:
            return launch_kind<WARPS, MIN_BLOCKS, LinearKind::int4>(weights, input, n_rows,
                                                                    epilogue, stream);
        case LinearKind::int8:
            return launch_kind<WARPS, MIN_BLOCKS, LinearKind::int8>(weights, input, n_rows,
                                                                    epilogue, stream);
        case LinearKind::fp8:
            return launch_kind<WARPS, MIN_BLOCKS, LinearKind::fp8>(weights, input, n_rows, epilogue,
                                                                   stream);
        case LinearKind::dense:
            break;
    }
    shape_fault("quantised weights", __FILE__, __LINE__);
}

void qkv(const QkvArgs& args, int n_rows, const Stream& stream) {
    SHAPE_CHECK(args.weights.n == args.out.shape.qkv_dim() && args.out.shape.head_dim % 16 == 0);
    launch<kWarps, 4>(packed(args.weights), args.input, n_rows, QkvMmaEpilogue{args.out}, stream);
}

/// `Epilogue`: one of those whose tiles have eight weight rows, of which there are few.
template <class Epilogue>
void launch_narrow(const PackedWeights& weights, const bf16* x, int n_rows,
                   const Epilogue& epilogue, const Stream& stream) {
    const LinearInput input{x, nullptr, 0};
    if (weights.k > kLongK)
        launch<kWarpsOfLongK, 3>(weights, input, n_rows, epilogue, stream);
    else
        launch<kWarps, 6>(weights, input, n_rows, epilogue, stream);
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
        return launch<kWarps, 4>(packed(weights), input, n_rows,
                                 GateUpMmaEpilogue<Silu>{out, n, {}}, stream);
    launch<kWarps, 4>(packed(weights), input, n_rows,
                      GateUpMmaEpilogue<AnyActivation>{out, n, AnyActivation(activation)}, stream);
}

void logits(LinearWeights weights, LinearInput input, float* out, int n_rows,
            const Stream& stream) {
    launch<kWarps, 4>(packed(weights), input, n_rows, LogitsMmaEpilogue{out, weights.n}, stream);
}

}  // namespace

const LinearKernels kSkinnyPacked{qkv, add, partial, gate_up, logits, kSkinnySquareWidth, true};

}  // namespace qwend
