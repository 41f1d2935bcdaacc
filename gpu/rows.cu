#include "gpu/rows.h"

#include "gpu/cuda.h"
#include "gpu/device.cuh"
#include "gpu/kv_write.cuh"
#include "gpu/launch.h"

namespace qwend {

namespace {

// A block makes a tile of outputs, 16 weight rows (or 8) for 8 rows of input; its warps share k
// between them. Weights are the A side of mma, so that 1 to 8 input rows cost the same. The inner
// dimension is taken in an order that gives each thread 16 contiguous bytes of a weight row: of
// every 32, thread t of four holds 8 t .. 8 t + 7, and makes two steps of mma of them.

constexpr int kDepth = 32;       // of k, one load of a thread
constexpr int kSquareWidth = 8;  // columns of one sum of squares

/// Which weight rows a tile holds: low[g] and high[g], g < 8.
struct TileRows {
    int low, high;
};

// What becomes of a tile: rows(tile) names its weight rows; finish(…) takes the sums of weight rows
// low + i and high + i for one row of input, by eight neighbouring threads, i = 0 … 7. A row that
// is only padding has is_row unset.

struct QkvTile {
    static constexpr bool kHasHigh = true;
    struct State {
        float low_bias, high_bias;
        QkvPlace place;
        float2 rotation;
    };
    QkvRows a;
    __device__ TileRows rows(int tile) const {
        const int half = a.shape.head_dim / 2, low = tile * 8 / half * half + tile * 8;
        return {low, low + half};
    }
    __device__ State prepare(int tile, int i, int row, bool is_row) const {
        const int half = a.shape.head_dim / 2, head = tile * 8 / half, at = tile * 8 % half + i;
        const int slot = is_row ? a.slots[row] : -1;
        if (slot < 0) return {};
        const float* bias = a.bias + head * a.shape.head_dim + at;
        return {bias[0], bias[half],
                place_qkv_pair(head, at, row, slot, a.shape, a.queries, a.cache),
                a.rotations[size_t(row) * half + at]};
    }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(const State& state, int, int, int, bool, float low, float high) const {
        if (state.place.low)
            state.place.write(low + state.low_bias, high + state.high_bias, state.rotation);
    }
};

struct AddTile {
    static constexpr bool kHasHigh = false;
    struct State {
        float norm, hidden;
    };
    RowStream out;
    int n;
    __device__ TileRows rows(int tile) const { return {tile * 8, 0}; }
    __device__ State prepare(int tile, int i, int, bool) const {
        return {out.next_norm[tile * 8 + i], 0};
    }
    __device__ void fetch(State& state, int tile, int i, int row, bool is_row) const {
        if (is_row) state.hidden = out.hidden[size_t(row) * n + tile * 8 + i];
    }
    __device__ void finish(const State& state, int tile, int i, int row, bool is_row, float low,
                           float) const {
        const size_t at = size_t(row) * n + tile * 8 + i;
        const float x = is_row ? state.hidden + low : 0;
        if (is_row) {
            out.hidden[at] = x;
            out.next_x[at] = __float2bfloat16_rn(x * state.norm);
        }
        float square = x * x;
#pragma unroll
        for (int offset = 1; offset < kSquareWidth; offset *= 2)
            square += __shfl_xor_sync(0xffffffffu, square, offset);
        if (is_row && i == 0) out.squares[size_t(row) * (n / kSquareWidth) + tile] = square;
    }
};

struct NoState {};

struct GateUpTile {
    static constexpr bool kHasHigh = true;
    using State = NoState;
    bf16* out;
    int n;  // outputs: half the weight rows
    __device__ TileRows rows(int tile) const { return {tile * 8, n + tile * 8}; }
    __device__ State prepare(int, int, int, bool) const { return {}; }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(State, int tile, int i, int row, bool is_row, float gate,
                           float up) const {
        if (!is_row) return;
        out[size_t(row) * n + tile * 8 + i] = __float2bfloat16_rn(gate / (1 + __expf(-gate)) * up);
    }
};

struct LogitsTile {
    static constexpr bool kHasHigh = true;
    using State = NoState;
    float* logits;
    int n;
    __device__ TileRows rows(int tile) const { return {tile * 16, tile * 16 + 8}; }
    __device__ State prepare(int, int, int, bool) const { return {}; }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(State, int tile, int i, int row, bool is_row, float low,
                           float high) const {
        if (!is_row) return;
        float* out = logits + size_t(row) * n + tile * 16 + i;
        out[0] = low, out[8] = high;
    }
};

/// 1 / rms of one row, by one warp.
__device__ float inverse_rms(RowInput input, int row, int k) {
    if (!input.squares) return 1;
    const int n = k / kSquareWidth;
    float sum = 0;
    for (int i = threadIdx.x % kWarp; i < n; i += kWarp) sum += input.squares[size_t(row) * n + i];
    return rsqrtf(warp_sum(sum) / float(k) + input.eps);
}

/// WARPS share k; each keeps AHEAD loads of every weight row in flight. EXACT: that is all of k.
template <int WARPS, int AHEAD, bool EXACT, int MIN_BLOCKS, class Tile>
__global__ void __launch_bounds__(WARPS* kWarp, MIN_BLOCKS)
    rows_kernel(RowWeights weights, int n_rows, RowInput input, Tile out) {
    constexpr int kRows = Tile::kHasHigh ? 16 : 8;
    __shared__ float sums[WARPS][kRows][kRowTile + 1];
    __shared__ float scales[kRowTile];
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int tile = blockIdx.x, first_row = blockIdx.y * kRowTile;
    const TileRows rows = out.rows(tile);
    const int k = weights.k;
    const int first_step = warp * AHEAD;
    const bf16* low = weights.data + size_t(rows.low + g) * k + first_step * kDepth + 8 * t;
    const bf16* high = weights.data + size_t(rows.high + g) * k + first_step * kDepth + 8 * t;
    const int n_steps = k / kDepth, n_here = min(kRowTile, n_rows - first_row);

    allow_next_kernel();
    uint4 low_ahead[AHEAD], high_ahead[AHEAD] = {};
    auto load_weights = [&](int i, int step) {
        if (!EXACT && first_step + step >= n_steps) {
            low_ahead[i] = high_ahead[i] = {};
            return;
        }
        low_ahead[i] = load_streaming(low + step * kDepth);
        if constexpr (Tile::kHasHigh) high_ahead[i] = load_streaming(high + step * kDepth);
    };
    // A warp's share of k is contiguous, AHEAD steps of it in each round.
    constexpr int kRound = WARPS * AHEAD;
#pragma unroll
    for (int i = 0; i < AHEAD; i++) load_weights(i, i);
    __syncwarp();  // keeps the assembler from moving them down
    const int last_i = threadIdx.x % 8, last_column = threadIdx.x / 8;
    const int last_row = first_row + last_column;
    const bool is_row = last_column < n_here;
    typename Tile::State state = out.prepare(tile, last_i, last_row, is_row);
    wait_for_previous_kernel();

    out.fetch(state, tile, last_i, last_row, is_row);
    auto source_row = [&](int row) { return input.row_of ? input.row_of[row] : row; };
    const bf16* x_row = input.x + size_t(g < n_here ? source_row(first_row + g) : 0) * k +
                        first_step * kDepth + 8 * t;
    float sum[4] = {};
    // Loads of x in flight: all of them, unless the registers would not do.
    constexpr int kTogether = AHEAD > 10 || MIN_BLOCKS > 4 ? (AHEAD + 1) / 2 : AHEAD;
    int begin = 0;  // beyond first_step
    do {
#pragma unroll
        for (int first = 0; first < AHEAD; first += kTogether) {
            uint4 x[kTogether];
#pragma unroll
            for (int i = 0; i < kTogether; i++) {
                const int step = begin + first + i;
                x[i] = {};
                if (g < n_here && first + i < AHEAD && (EXACT || first_step + step < n_steps))
                    x[i] = *reinterpret_cast<const uint4*>(x_row + step * kDepth);
            }
            if (first == 0 && (EXACT || begin == 0))
                for (int row = warp; row < n_here; row += WARPS) {
                    const float scale = inverse_rms(input, source_row(first_row + row), k);
                    if (threadIdx.x % kWarp == 0) scales[row] = scale;
                }
#pragma unroll
            for (int i = 0; i < kTogether; i++) {
                if (first + i >= AHEAD) break;
                const uint4 a = low_ahead[first + i], b = high_ahead[first + i];
                mma(sum, a.x, b.x, a.y, b.y, x[i].x, x[i].y);
                mma(sum, a.z, b.z, a.w, b.w, x[i].z, x[i].w);
                if (!EXACT) load_weights(first + i, begin + first + i + kRound);
            }
        }
        begin += kRound;
    } while (!EXACT && first_step + begin < n_steps);
    sums[warp][g][2 * t] = sum[0], sums[warp][g][2 * t + 1] = sum[1];
    if constexpr (Tile::kHasHigh)
        sums[warp][g + 8][2 * t] = sum[2], sums[warp][g + 8][2 * t + 1] = sum[3];
    __syncthreads();
    if (threadIdx.x >= 8 * kRowTile) return;
    float low_sum = 0, high_sum = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        low_sum += sums[w][last_i][last_column];
        if constexpr (Tile::kHasHigh) high_sum += sums[w][last_i + 8][last_column];
    }
    const float scale = is_row ? scales[last_column] : 0;
    out.finish(state, tile, last_i, last_row, is_row, low_sum * scale, high_sum * scale);
}

template <int WARPS, int AHEAD, int MIN_BLOCKS, class Tile>
void launch_rows(RowWeights weights, RowInput input, int n_rows, Tile tile, cudaStream_t stream) {
    const dim3 grid(weights.n / (Tile::kHasHigh ? 16 : 8), (n_rows + kRowTile - 1) / kRowTile);
    const auto kernel = weights.k == WARPS * AHEAD * kDepth
                            ? rows_kernel<WARPS, AHEAD, true, MIN_BLOCKS, Tile>
                            : rows_kernel<WARPS, AHEAD, false, MIN_BLOCKS, Tile>;
    launch_dependent(kernel, grid, WARPS * kWarp, 0, stream, weights, n_rows, input, tile);
}

}  // namespace

void qkv_rows(const QkvRows& args, int n_rows, cudaStream_t stream) {
    launch_rows<4, 7, 4>(args.weights, args.input, n_rows, QkvTile{args}, stream);
}

void add_rows(RowWeights weights, const bf16* x, RowStream out, int n_rows, cudaStream_t stream) {
    const RowInput input{x, nullptr, 0, nullptr};
    const AddTile tile{out, weights.n};
    // A long k is shared by more warps: there are few tiles, and each must have enough in flight.
    if (weights.k > 2048)
        launch_rows<8, 19, 1>(weights, input, n_rows, tile, stream);
    else
        launch_rows<4, 7, 4>(weights, input, n_rows, tile, stream);
}

void gate_up_rows(RowWeights weights, RowInput input, bf16* out, int n_rows, cudaStream_t stream) {
    launch_rows<4, 7, 5>(weights, input, n_rows, GateUpTile{out, weights.n / 2}, stream);
}

void logits_rows(RowWeights weights, RowInput input, float* logits, int n_rows,
                 cudaStream_t stream) {
    launch_rows<4, 7, 5>(weights, input, n_rows, LogitsTile{logits, weights.n}, stream);
}

}  // namespace qwend
