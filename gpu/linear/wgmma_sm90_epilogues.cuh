#pragma once

#include "gpu/activation.cuh"
#include "gpu/linear/linear.h"
#include "gpu/rope_kv_write.cuh"
#include "gpu/warp.cuh"

// The epilogues of linear_wgmma_sm90_kernel (wgmma_sm90.cu), of two kinds. partner_offset() says
// how far a weight row is from its partner (see weight_map.h).

namespace qwend {

// kFromRegisters = false: the block may be one of several that share k, so sums go through shared
// memory. A thread takes a quad: four low weight rows and their four partners, for one row of x.
// prepare() loads what the epilogue needs besides the sums, finish() takes them and stores results.
// All threads of a warp call finish() together.

/// Whose sums a thread has. The next thread has those of the next group; after all groups of the
/// block comes the other half.
struct OutputQuad {
    int group, half;  // of 16 weight rows; which four of its eight low rows, and of their partners
    int row;          // of x
    bool in_bounds;   // unset beyond the last group or row

    /// Where partners are eight rows apart, so that a group is sixteen columns of the result that
    /// follow each other: the first column of the low rows (0) or of their partners (1).
    __device__ int column(int partner) const { return group * 16 + partner * 8 + half * 4; }
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

/// Bias, RoPE and the write of queries, keys and values. Partners are half a head apart.
class QkvWgmmaEpilogue {
  public:
    static constexpr bool kFromRegisters = false;
    struct State {
        int slot;
        float low_bias[4], high_bias[4];
        float2 rotations[4];
    };
    explicit QkvWgmmaEpilogue(const QkvOutput& out) : a_(out) {}
    int partner_offset() const { return a_.shape.head_dim / 2; }

    __device__ void prepare(State& state, const OutputQuad& quad) const {
        state.slot = quad.in_bounds ? a_.slots[quad.row] : -1;
        if (!quad.in_bounds) return;
        const int half = a_.shape.head_dim / 2, at = at_of(quad);
        const float* bias = a_.bias + head_of(quad) * a_.shape.head_dim + at;
        load_four(state.low_bias, bias);
        load_four(state.high_bias, bias + half);
        const float2* rotations = a_.rotations + size_t(quad.row) * half + at;
#pragma unroll
        for (int i = 0; i < 4; i++) state.rotations[i] = rotations[i];
    }
    template <int GROUPS>
    __device__ void finish(const State& state, const OutputQuad& quad, float (&low)[4],
                           float (&high)[4]) const {
        if (state.slot < 0) return;
        const QkvPlace place = place_qkv_pair(head_of(quad), at_of(quad), quad.row, state.slot,
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
    // A head of 64 has four groups, one of 128 has eight.
    __device__ int head_of(const OutputQuad& quad) const {
        return quad.group >> (a_.shape.head_dim == 64 ? 2 : 3);
    }
    /// Of the low half of the head, the first of the four dimensions.
    __device__ int at_of(const OutputQuad& quad) const {
        return (quad.group & (a_.shape.head_dim / 16 - 1)) * 8 + 4 * quad.half;
    }

    QkvOutput a_;
};

/// Adds to the residual stream and prepares the next RMSNorm: hidden * norm in bf16, and the sums
/// of the squares of 64 columns.
class AddWgmmaEpilogue {
  public:
    static constexpr bool kFromRegisters = false;
    struct State {
        float hidden[2][4], norm[2][4];
    };
    AddWgmmaEpilogue(ResidualStream out, int n) : out_(out), n_(n) {}
    int partner_offset() const { return 8; }

    __device__ void prepare(State& state, const OutputQuad& quad) const {
        if (!quad.in_bounds) return;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int column = quad.column(h);
            load_four(state.hidden[h], out_.hidden + size_t(quad.row) * n_ + column);
            load_four(state.norm[h], out_.next_norm + column);
        }
    }
    template <int GROUPS>
    __device__ void finish(const State& state, const OutputQuad& quad, float (&low)[4],
                           float (&high)[4]) const {
        constexpr int kTogether = kWgmmaSquareWidth / 16;  // groups of a sum of squares
        float square = 0;
        if (quad.in_bounds) {
            const size_t row = size_t(quad.row) * n_;
            square = finish_four(state.hidden[0], state.norm[0], row + quad.column(0), low) +
                     finish_four(state.hidden[1], state.norm[1], row + quad.column(1), high);
        }
#pragma unroll
        for (int offset = 1; offset < kTogether; offset *= 2)
            square += __shfl_xor_sync(0xffffffffu, square, offset);
        square += __shfl_xor_sync(0xffffffffu, square, GROUPS);  // the other half's
        const int n_sums = (n_ + kWgmmaSquareWidth - 1) / kWgmmaSquareWidth;
        if (quad.in_bounds && quad.half == 0 && quad.group % kTogether == 0)
            out_.squares[size_t(quad.row) * n_sums + quad.group / kTogether] = square;
    }

  private:
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

    ResidualStream out_;
    int n_;
};

/// The sums alone.
class PartialWgmmaEpilogue {
  public:
    static constexpr bool kFromRegisters = false;
    struct State {};
    PartialWgmmaEpilogue(float* out, int n) : out_(out), n_(n) {}
    int partner_offset() const { return 8; }

    __device__ void prepare(State&, const OutputQuad&) const {}
    template <int GROUPS>
    __device__ void finish(const State&, const OutputQuad& quad, float (&low)[4],
                           float (&high)[4]) const {
        if (!quad.in_bounds) return;
        float* row = out_ + size_t(quad.row) * n_;
        store_four(row + quad.column(0), low);
        store_four(row + quad.column(1), high);
    }

  private:
    float* out_;
    int n_;
};

// kFromRegisters = true: matrices with so many tiles that no k is shared. The epilogue takes the
// sums from the registers that wgmma left them in.

/// The sums of weight row g of a group (low) and of its partner (high) for two rows of x.
struct FragmentPair {
    float low[2], high[2];
    int row;  // of x, the first
    bool in_bounds[2];
};

/// SiLU with a quick division, which is 0 for gates below -87.
struct QuickSilu {
    __device__ float operator()(float x) const { return __fdividef(x, 1 + __expf(-x)); }
};

/// SwiGLU, or its kin. A gate's partner is its up, half of the matrix further. Results go through
/// shared memory (kThroughShared), because a warp has only eight columns of a row, too few for a
/// whole sector.
template <class Gate>
class GateUpWgmmaEpilogue {
  public:
    static constexpr bool kFromRegisters = true, kThroughShared = true;
    GateUpWgmmaEpilogue(bf16* out, int n, Gate activate) : out_(out), n_(n), activate_(activate) {}
    int partner_offset() const { return n_; }

    /// Columns g / 2 * 2 and one more of the group, of the pair's first row if g is even, else of
    /// its second. Called by a whole warp.
    __device__ uint32_t two_columns(const FragmentPair& sums, int g) const {
        float out[2];
#pragma unroll
        for (int i = 0; i < 2; i++) out[i] = activate_(sums.low[i]) * sums.high[i];
        // Threads of neighbouring g, which are four lanes apart, swap a column.
        const float other = __shfl_xor_sync(0xffffffffu, g % 2 ? out[0] : out[1], 4);
        return g % 2 ? pack_bf16(other, out[1]) : pack_bf16(out[0], other);
    }
    /// Where a group's eight results of a row go.
    __device__ uint4* group_columns(int group, int row) const {
        return reinterpret_cast<uint4*>(out_ + size_t(row) * n_ + group * 8);
    }

  private:
    bf16* out_;
    int n_;  // results of a row: half of the weight rows
    Gate activate_;
};

/// Groups are sixteen logits that follow each other.
class LogitsWgmmaEpilogue {
  public:
    static constexpr bool kFromRegisters = true, kThroughShared = false;
    LogitsWgmmaEpilogue(float* logits, int n) : logits_(logits), n_(n) {}
    int partner_offset() const { return 8; }

    __device__ void finish(const FragmentPair& sums, int group, int g) const {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (!sums.in_bounds[i]) continue;
            float* to = logits_ + size_t(sums.row + i) * n_ + group * 16 + g;
            to[0] = sums.low[i], to[8] = sums.high[i];
        }
    }

  private:
    float* logits_;
    int n_;
};

}  // namespace qwend
