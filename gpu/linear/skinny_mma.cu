#include "gpu/launch.h"
#include "gpu/linear/skinny_mma.cuh"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

// A block makes a tile of outputs, 16 weight rows (or 8) for 8 rows of input; each of its warps
// takes a share of k.

// Of the products whose k is the width of the stream.
constexpr int kWarps = 4;
constexpr int kAhead = 7;  // steps of k whose weights a warp has in flight

template <int WARPS, class Tile>
struct TileSums {
    float of_warp[WARPS][Tile::kHasHigh ? 16 : 8][kRowTile + 1];
    float scales[kRowTile];  // of a row of x: 1 / rms

    /// What the warp's mma left: see mma() for who has what.
    template <int CHAINS>
    __device__ void put(int warp, int g, int t, const MmaChains<CHAINS>& sums) {
        auto& own = of_warp[warp];
        float sum[4];
        sums.total(sum);
        own[g][2 * t] = sum[0], own[g][2 * t + 1] = sum[1];
        if constexpr (Tile::kHasHigh) own[g + 8][2 * t] = sum[2], own[g + 8][2 * t + 1] = sum[3];
    }
    /// Weight rows low + i and high + i times row `column` of x, the warps' in order.
    __device__ float2 total(int i, int column) const {
        float low = 0, high = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            low += of_warp[w][i][column];
            if constexpr (Tile::kHasHigh) high += of_warp[w][i + 8][column];
        }
        return {low * scales[column], high * scales[column]};
    }
};

/// Where a thread reads x: row g of the eight, from the warp's share on.
class InputRow {
  public:
    __device__ InputRow(const RowInput& input, int first_row, int n_rows, int k, int begin) {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        is_row_ = g < n_rows;
        const int source = input.source(first_row + (is_row_ ? g : 0));
        from_ = input.x + size_t(source) * k + begin * kDepth + 8 * t;
    }
    /// Without an early return, of which nvcc 13.0 makes one branch around all loads: slower.
    __device__ uint4 load(int step) const {
        uint4 x = {};
        if (is_row_) x = *reinterpret_cast<const uint4*>(from_ + step * kDepth);
        return x;
    }

  private:
    const bf16* from_;
    bool is_row_;
};

/// As many warps as shares; each keeps AHEAD loads of every weight row in flight. EXACT: that is
/// all of its share.
template <int WARPS, int AHEAD, bool EXACT, int MIN_BLOCKS, class Tile>
__global__ void __launch_bounds__(WARPS* kWarp, MIN_BLOCKS)
    rows_kernel(RowWeights weights, int n_rows, RowInput input, Tile out) {
    __shared__ TileSums<WARPS, Tile> sums;
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int tile = blockIdx.x, first_row = blockIdx.y * kRowTile;
    const TileRows rows = out.rows(tile);
    const int k = weights.k;
    const Share share(warp, WARPS, k);
    const bf16* low = weights.data + size_t(rows.low + g) * k + share.begin * kDepth + 8 * t;
    const bf16* high = weights.data + size_t(rows.high + g) * k + share.begin * kDepth + 8 * t;
    const int n_here = min(kRowTile, n_rows - first_row);

    allow_next_kernel();
    uint4 low_ahead[AHEAD], high_ahead[AHEAD] = {};
    auto load_weights = [&](int i, int step) {
        if (!EXACT && step >= share.n) {
            low_ahead[i] = high_ahead[i] = {};
            return;
        }
        low_ahead[i] = load_streaming(low + step * kDepth);
        if constexpr (Tile::kHasHigh) high_ahead[i] = load_streaming(high + step * kDepth);
    };
#pragma unroll
    for (int i = 0; i < AHEAD; i++) load_weights(i, i);
    __syncwarp();  // keeps the assembler from moving them down
    const int last_i = threadIdx.x % 8, last_column = threadIdx.x / 8;
    const int last_row = first_row + last_column;
    const bool is_row = last_column < n_here;
    typename Tile::State state = out.prepare(tile, last_i, last_row, is_row);
    wait_for_previous_kernel();

    out.fetch(state, tile, last_i, last_row, is_row);
    const InputRow input_row(input, first_row, n_here, k, share.begin);
    MmaChains<EXACT ? chains_of(AHEAD) : 1> step_sums;
    // Steps whose loads of x are in flight: all of them, unless the registers would not do.
    constexpr int kTogether = AHEAD > 10 || MIN_BLOCKS > 4 ? (AHEAD + 1) / 2 : AHEAD;
    int begin = 0;  // of a round of AHEAD steps
    do {
#pragma unroll
        for (int first = 0; first < AHEAD; first += kTogether) {
            uint4 x[kTogether];
#pragma unroll
            for (int i = 0; i < kTogether; i++) {
                const int step = begin + first + i;
                const bool is_step = first + i < AHEAD && (EXACT || step < share.n);
                x[i] = is_step ? input_row.load(step) : uint4{};
            }
            if (first == 0 && (EXACT || begin == 0))
                scale_rows<WARPS>(sums.scales, input, first_row, n_here, k);
#pragma unroll
            for (int i = 0; i < kTogether; i++) {
                if (first + i >= AHEAD) break;
                step_sums.add(first + i, low_ahead[first + i], high_ahead[first + i], x[i]);
                if (!EXACT) load_weights(first + i, begin + first + i + AHEAD);
            }
        }
        begin += AHEAD;
    } while (!EXACT && begin < share.n);
    sums.put(warp, g, t, step_sums);
    __syncthreads();
    static_assert(WARPS * kWarp >= 8 * kRowTile);
    if (last_column >= kRowTile) return;
    const float2 total = sums.total(last_i, last_column);
    out.finish(state, tile, last_i, last_row, is_row, total.x, total.y);
}

template <int WARPS, int AHEAD, int MIN_BLOCKS, class Tile>
void launch_rows(RowWeights weights, RowInput input, int n_rows, Tile tile, cudaStream_t stream) {
    const dim3 grid(weights.n / (Tile::kHasHigh ? 16 : 8), (n_rows + kRowTile - 1) / kRowTile);
    LaunchShape shape{grid, WARPS * kWarp};
    if (weights.k != WARPS * AHEAD * kDepth)
        return launch_dependent(rows_kernel<WARPS, AHEAD, false, MIN_BLOCKS, Tile>, shape, stream,
                                weights, n_rows, input, tile);
    shape.shared_percent = kFewSharedPercent;
    launch_dependent(rows_kernel<WARPS, AHEAD, true, MIN_BLOCKS, Tile>, shape, stream, weights,
                     n_rows, input, tile);
}

}  // namespace

void qkv_rows(const QkvRows& args, int n_rows, cudaStream_t stream) {
    launch_rows<kWarps, kAhead, 4>(args.weights, args.input, n_rows, QkvTile{args}, stream);
}

void add_rows(RowWeights weights, const bf16* x, RowStream out, int n_rows, cudaStream_t stream) {
    const RowInput input{x, nullptr, 0};
    const AddTile tile{out, weights.n};
    if (weights.k == kHeadShares * kHeadSteps * kDepth)
        launch_rows<kHeadShares, kHeadSteps, 2>(weights, input, n_rows, tile, stream);
    // A long k is shared by more warps: there are few tiles, and each must have enough in flight.
    else if (weights.k > 2048)
        launch_rows<8, 19, 1>(weights, input, n_rows, tile, stream);
    else
        launch_rows<kWarps, kAhead, 4>(weights, input, n_rows, tile, stream);
}

void gate_up_rows(RowWeights weights, RowInput input, bf16* out, int n_rows, cudaStream_t stream) {
    launch_rows<kWarps, kAhead, 5>(weights, input, n_rows, GateUpTile{out, weights.n / 2}, stream);
}

void logits_rows(RowWeights weights, RowInput input, float* logits, int n_rows,
                 cudaStream_t stream) {
    launch_rows<kWarps, kAhead, 5>(weights, input, n_rows, LogitsTile{logits, weights.n}, stream);
}

}  // namespace qwend
