#pragma once

#include "gpu/activation.cuh"
#include "gpu/linear/linear.h"
#include "gpu/mma.cuh"
#include "gpu/rope_kv_write.cuh"

// Split-K, the epilogues and the scales of RMSNorm of linear_skinny_mma_kernel (skinny_mma.cu).

namespace qwend {

// ------------------------------------------------------------------------------------- split-K
// Each warp of a block multiplies a slice of k; the partial sums are added in the order of slices.

/// Columns of k in a step: two of mma's, of which thread t of four holds 8 t … 8 t + 7. These are
/// 16 contiguous bytes of a weight row; mma does not mind the order of k if both sides have the
/// same.
inline constexpr int kStepColumns = 32;

/// The steps of one of n_slices slices of k.
struct KSlice {
    int begin, n;
    __host__ __device__ KSlice(int slice, int n_slices, int k) {
        const int n_steps = k / kStepColumns, each = (n_steps + n_slices - 1) / n_slices;
        begin = slice * each;
        n = n_steps - begin < each ? n_steps - begin : each;
        if (n < 0) n = 0;
    }
};

/// In how many chains a warp that has n_steps steps in flight adds them (see MmaChains).
constexpr int mma_chains(int n_steps) {
    return n_steps > 10 ? 4 : 2;
}

/// The output projection of 14 heads of 64: a slice is a head's columns, so that
/// decode_attention_o_proj_14x64_sm90, which has a head in each block, adds the same sums in the
/// same order.
inline constexpr int kOProjSlices = 14, kOProjSliceSteps = 2;

// ----------------------------------------------------------------------------------- epilogues
// An epilogue makes results of the sums of a tile: 16 weight rows (or 8) times one row of x, by
// eight neighbouring threads i = 0 … 7. Its members, in the order of calls:
//   weight_rows(tile)  the tile's weight rows: low … low + 7 and, if kHasHigh, high … high + 7
//   prepare(…)         before the wait for the previous kernel: loads what does not depend on it
//   fetch(…)           after the wait, before the product: loads what does
//   finish(…)          takes the sums of weight rows low + i and high + i, and stores results
// is_row is unset where the tile has no such row of x. Threads of one sum call finish() together.

/// The first of a tile's eight low and eight high weight rows.
struct WeightRows {
    int low, high;
};

/// A pair that RoPE rotates: `low` and `high` are half a head apart.
struct QkvMmaEpilogue {
    static constexpr bool kHasHigh = true;
    struct State {
        float low_bias, high_bias;
        QkvPlace place;
        float2 rotation;
    };
    QkvOutput a;
    __device__ WeightRows weight_rows(int tile) const {
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

/// Adds to the residual stream and prepares the next RMSNorm: hidden * norm in bf16, and the sum of
/// the squares of the tile's eight columns. Tiles have eight weight rows, because the matrices have
/// few and so there are more blocks.
struct AddMmaEpilogue {
    static constexpr bool kHasHigh = false;
    struct State {
        float norm, hidden;
    };
    ResidualStream out;
    int n;
    __device__ WeightRows weight_rows(int tile) const { return {tile * 8, 0}; }
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
        for (int offset = 1; offset < kSkinnySquareWidth; offset *= 2)
            square += __shfl_xor_sync(0xffffffffu, square, offset);
        if (is_row && i == 0) out.squares[size_t(row) * (n / kSkinnySquareWidth) + tile] = square;
    }
};

struct NoState {};

/// The sums alone, of the tiles of AddMmaEpilogue.
struct PartialMmaEpilogue {
    static constexpr bool kHasHigh = false;
    using State = NoState;
    float* out;
    int n;
    __device__ WeightRows weight_rows(int tile) const { return {tile * 8, 0}; }
    __device__ State prepare(int, int, int, bool) const { return {}; }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(State, int tile, int i, int row, bool is_row, float low, float) const {
        if (is_row) out[size_t(row) * n + tile * 8 + i] = low;
    }
};

/// SwiGLU, or its kin: `low` is a gate, `high` its up, half of the matrix further.
template <class Gate>
struct GateUpMmaEpilogue {
    static constexpr bool kHasHigh = true;
    using State = NoState;
    bf16* out;
    int n;  // results of a row: half of the weight rows
    Gate activate;
    __device__ WeightRows weight_rows(int tile) const { return {tile * 8, n + tile * 8}; }
    __device__ State prepare(int, int, int, bool) const { return {}; }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(State, int tile, int i, int row, bool is_row, float gate,
                           float up) const {
        if (!is_row) return;
        out[size_t(row) * n + tile * 8 + i] = __float2bfloat16_rn(activate(gate) * up);
    }
};

/// Sixteen weight rows that follow each other.
struct LogitsMmaEpilogue {
    static constexpr bool kHasHigh = true;
    using State = NoState;
    float* logits;
    int n;
    __device__ WeightRows weight_rows(int tile) const { return {tile * 16, tile * 16 + 8}; }
    __device__ State prepare(int, int, int, bool) const { return {}; }
    __device__ void fetch(State&, int, int, int, bool) const {}
    __device__ void finish(State, int tile, int i, int row, bool is_row, float low,
                           float high) const {
        if (!is_row) return;
        float* out = logits + size_t(row) * n + tile * 16 + i;
        out[0] = low, out[8] = high;
    }
};

// -------------------------------------------------------------------------------------- RMSNorm

/// Makes scales[i] = 1 / rms of row first_row + i of the input, or 1 where it is normed already. A
/// warp, one of WARPS, has two rows at a time, so that their loads are under way together.
template <int WARPS, int N>
__device__ void make_rms_scales(float (&scales)[N], int warp, const LinearInput& input,
                                int first_row, int n_rows, int k) {
    const int n = input.squares ? k / kSkinnySquareWidth : 0;
    auto squares_of = [&](int row) {
        return input.squares + size_t(input.source(first_row + row)) * n;
    };
    auto store = [&](int row, float total) {
        const float scale = n > 0 ? rsqrtf(warp_sum(total) / float(k) + input.eps) : 1;
        if (threadIdx.x % kWarp == 0) scales[row] = scale;
    };
#pragma unroll
    for (int first = 0; first < N; first += 2 * WARPS) {
        const int row = first + warp, other = row + WARPS;
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
