#pragma once

#include "gpu/linear/wgmma_sm90.h"
#include "gpu/rope_kv.cuh"
#include "gpu/warp.cuh"

// What becomes of the sums of rows_many.cu.

namespace qwend {

// Of blocks that may share k: four of low weight rows and four of their partners for one row of
// input, by one thread. prepare() loads what the thread will want before the sums are there. All
// threads of a warp call these together.

/// Which sums a thread has. Neighbouring threads have those of the next group, then the other part.
struct ManySpot {
    int group, part;  // of 16 weight rows; which half of its eights
    int row;          // of input
    bool is_there;    // else beyond the end of one of them
};

__device__ inline uint2 pack_four(const float (&x)[4]) {
    return {pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3])};
}
__device__ inline void load_four(float (&x)[4], const float* from) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    x[0] = four.x, x[1] = four.y, x[2] = four.z, x[3] = four.w;
}
__device__ inline void store_four(float* to, const float (&x)[4]) {
    *reinterpret_cast<float4*>(to) = {x[0], x[1], x[2], x[3]};
}

/// Groups of a head are pairs half of it apart.
class QkvOutput {
  public:
    static constexpr bool kIsDirect = false;
    struct State {
        int slot;
        float low_bias[4], high_bias[4];
        float2 rotations[4];
    };
    explicit QkvOutput(const QkvRows& args) : a_(args) {}
    int run() const { return a_.shape.head_dim / 2; }

    __device__ void prepare(State& state, const ManySpot& spot) const {
        state.slot = spot.is_there ? a_.slots[spot.row] : -1;
        if (!spot.is_there) return;
        const int half = a_.shape.head_dim / 2, at = at_of(spot);
        const float* bias = a_.bias + head_of(spot) * a_.shape.head_dim + at;
        load_four(state.low_bias, bias);
        load_four(state.high_bias, bias + half);
        const float2* rotations = a_.rotations + size_t(spot.row) * half + at;
#pragma unroll
        for (int i = 0; i < 4; i++) state.rotations[i] = rotations[i];
    }
    template <int GROUPS>
    __device__ void finish(const State& state, const ManySpot& spot, float (&low)[4],
                           float (&high)[4]) const {
        if (state.slot < 0) return;
        const QkvPlace place = place_qkv_pair(head_of(spot), at_of(spot), spot.row, state.slot,
                                              a_.shape, a_.queries, a_.cache);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            low[i] += state.low_bias[i], high[i] += state.high_bias[i];
            if (place.rotates) rotate_pair(low[i], high[i], state.rotations[i]);
        }
        if (place.rotates) {
            *reinterpret_cast<uint2*>(place.low) = pack_four(low);
            *reinterpret_cast<uint2*>(place.low + place.high_offset) = pack_four(high);
            return;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bf16* to = place.low + i * kBlockTokens;
            to[0] = __float2bfloat16_rn(low[i]);
            to[place.high_offset] = __float2bfloat16_rn(high[i]);
        }
    }

  private:
    // A head has four or eight groups.
    __device__ int head_of(const ManySpot& spot) const {
        return spot.group >> (a_.shape.head_dim == 64 ? 2 : 3);
    }
    /// The first of the four, of those with partners in the head.
    __device__ int at_of(const ManySpot& spot) const {
        return (spot.group & (a_.shape.head_dim / 16 - 1)) * 8 + 4 * spot.part;
    }

    QkvRows a_;
};

/// Sixteen columns of the residual stream a group.
class AddOutput {
  public:
    static constexpr bool kIsDirect = false;
    struct State {
        float hidden[2][4], norm[2][4];
    };
    AddOutput(RowStream out, int n) : out_(out), n_(n) {}
    int run() const { return 8; }

    __device__ void prepare(State& state, const ManySpot& spot) const {
        if (!spot.is_there) return;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int column = column_of(spot, h);
            load_four(state.hidden[h], out_.hidden + size_t(spot.row) * n_ + column);
            load_four(state.norm[h], out_.next_norm + column);
        }
    }
    template <int GROUPS>
    __device__ void finish(const State& state, const ManySpot& spot, float (&low)[4],
                           float (&high)[4]) const {
        constexpr int kTogether = kManySquareWidth / 16;  // groups of a sum of squares
        float square = 0;
        if (spot.is_there) {
            const size_t row = size_t(spot.row) * n_;
            square = finish_four(state.hidden[0], state.norm[0], row + column_of(spot, 0), low) +
                     finish_four(state.hidden[1], state.norm[1], row + column_of(spot, 1), high);
        }
#pragma unroll
        for (int offset = 1; offset < kTogether; offset *= 2)
            square += __shfl_xor_sync(0xffffffffu, square, offset);
        square += __shfl_xor_sync(0xffffffffu, square, GROUPS);  // the other part
        const int n_sums = (n_ + kManySquareWidth - 1) / kManySquareWidth;
        if (spot.is_there && spot.part == 0 && spot.group % kTogether == 0)
            out_.squares[size_t(spot.row) * n_sums + spot.group / kTogether] = square;
    }

  private:
    __device__ static int column_of(const ManySpot& spot, int half) {
        return spot.group * 16 + half * 8 + spot.part * 4;
    }
    __device__ float finish_four(const float (&hidden)[4], const float (&norm)[4], size_t at,
                                 float (&x)[4]) const {
        float square = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            x[i] += hidden[i];
            square += x[i] * x[i];
        }
        store_four(out_.hidden + at, x);
#pragma unroll
        for (int i = 0; i < 4; i++) x[i] *= norm[i];
        *reinterpret_cast<uint2*>(out_.next_x + at) = pack_four(x);
        return square;
    }

    RowStream out_;
    int n_;
};

// Of blocks that have all of k always: the sums of weight row g of a group and of its partner for
// two rows of input, in the registers they were made in.

struct ManyPair {
    float low[2], high[2];
    int row;  // the first of input
    bool is_there[2];
};

/// Gates and, half of the matrix further, their ups.
class GateUpOutput {
  public:
    static constexpr bool kIsDirect = true, kIsStaged = true;
    GateUpOutput(bf16* out, int n) : out_(out), n_(n) {}
    int run() const { return n_; }

    /// Columns g / 2 * 2 and 1 more of the group, of the first row if g is even. Called by a warp.
    __device__ static uint32_t two_columns(const ManyPair& sums, int g) {
        float out[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float gate = sums.low[i];
            out[i] = __fdividef(gate, 1 + __expf(-gate)) * sums.high[i];
        }
        // Neighbours g, four threads apart, swap a column.
        const float other = __shfl_xor_sync(0xffffffffu, g % 2 ? out[0] : out[1], 4);
        return g % 2 ? pack_bf16(other, out[1]) : pack_bf16(out[0], other);
    }
    __device__ uint4* eight_columns(int group, int row) const {
        return reinterpret_cast<uint4*>(out_ + size_t(row) * n_ + group * 8);
    }

  private:
    bf16* out_;
    int n_;  // outputs: half the weight rows
};

class LogitsOutput {
  public:
    static constexpr bool kIsDirect = true, kIsStaged = false;
    LogitsOutput(float* logits, int n) : logits_(logits), n_(n) {}
    int run() const { return 8; }

    __device__ void finish(const ManyPair& sums, int group, int g) const {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (!sums.is_there[i]) continue;
            float* to = logits_ + size_t(sums.row + i) * n_ + group * 16 + g;
            to[0] = sums.low[i], to[8] = sums.high[i];
        }
    }

  private:
    float* logits_;
    int n_;
};

}  // namespace qwend
