#pragma once

#include "gpu/linear/linear.h"
#include "gpu/mma.cuh"
#include "gpu/rope_kv.cuh"

// The parts of the kernel of rows.h: how k is cut, what becomes of a tile of sums, and RMSNorm.
//
// Weights are the A side of mma, so that 1 to 8 input rows cost the same. The inner dimension is
// taken in an order that gives each thread 16 contiguous bytes of a weight row: of every 32, thread
// t of four holds 8 t .. 8 t + 7, and makes two steps of mma of them.
//
// k is cut into shares, which are summed apart and then in order.

namespace qwend {

inline constexpr int kDepth = 32;  // of k, one step: two of mma

/// The steps of k of one share.
struct Share {
    int begin, n;
    __host__ __device__ Share(int share, int n_shares, int k) {
        const int n_steps = k / kDepth, each = (n_steps + n_shares - 1) / n_shares;
        begin = share * each;
        n = n_steps - begin < each ? n_steps - begin : each;
        if (n < 0) n = 0;
    }
};

/// Chains of MmaChains for a share all of whose steps are in flight.
constexpr int chains_of(int n_steps) {
    return n_steps > 10 ? 4 : 2;
}

// The product after attention, where k is 14 heads of 64: a share is a head's columns, so that
// attend_and_add makes the same sums.
inline constexpr int kHeadShares = 14, kHeadSteps = 2;

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
        for (int offset = 1; offset < kFewSquareWidth; offset *= 2)
            square += __shfl_xor_sync(0xffffffffu, square, offset);
        if (is_row && i == 0) out.squares[size_t(row) * (n / kFewSquareWidth) + tile] = square;
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

/// 1 / rms of rows of input, by the warps of a block: two rows each at a time, whose loads are then
/// under way together. 1 where there are no squares.
template <int WARPS, int N>
__device__ void scale_rows(float (&scales)[N], const RowInput& input, int first_row, int n_rows,
                           int k) {
    const int n = input.squares ? k / kFewSquareWidth : 0;
    auto squares_of = [&](int row) {
        return input.squares + size_t(input.source(first_row + row)) * n;
    };
    auto store = [&](int row, float total) {
        const float scale = n > 0 ? rsqrtf(warp_sum(total) / float(k) + input.eps) : 1;
        if (threadIdx.x % kWarp == 0) scales[row] = scale;
    };
#pragma unroll
    for (int first = 0; first < N; first += 2 * WARPS) {
        const int row = first + int(threadIdx.x) / kWarp, other = row + WARPS;
        if (row >= n_rows) return;
        const bool has_other = other < n_rows;
        const float *squares = squares_of(row),
                    *other_squares = squares_of(has_other ? other : row);
        float sum = 0, other_sum = 0;
#pragma unroll 4
        for (int i = threadIdx.x % kWarp; i < n; i += kWarp) {
            sum += squares[i];
            if (has_other) other_sum += other_squares[i];
        }
        store(row, sum);
        if (has_other) store(other, other_sum);
    }
}

}  // namespace qwend
