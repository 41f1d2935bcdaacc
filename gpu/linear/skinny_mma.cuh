#pragma once

#include "gpu/linear/skinny_mma_epilogues.cuh"

// What the kernels for few rows have in common, whatever their weights are: linear_skinny_mma and
// linear_skinny_packed. Weights are the A side of mma, eight rows of x the B side.

namespace qwend {

/// A block's partial sums, in shared memory.
template <int WARPS, class Epilogue>
struct BlockSums {
    float of_warp[WARPS][Epilogue::kHasHigh ? 16 : 8][kSkinnyRows + 1];
    float scales[kSkinnyRows];  // of a row of x: 1 / rms

    /// Stores the warp's sums as mma left them: see mma() for who has what.
    template <int CHAINS>
    __device__ void put(int warp, int g, int t, const MmaChains<CHAINS>& sums) {
        float sum[4];
        sums.total(sum);
        put(warp, g, t, sum);
    }
    __device__ void put(int warp, int g, int t, const float (&sum)[4]) {
        auto& own = of_warp[warp];
        own[g][2 * t] = sum[0], own[g][2 * t + 1] = sum[1];
        if constexpr (Epilogue::kHasHigh)
            own[g + 8][2 * t] = sum[2], own[g + 8][2 * t + 1] = sum[3];
    }
    /// The sums of weight rows low + i and high + i with row `column` of x, added warp by warp.
    __device__ float2 total(int i, int column) const {
        float low = 0, high = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            low += of_warp[w][i][column];
            if constexpr (Epilogue::kHasHigh) high += of_warp[w][i + 8][column];
        }
        return {low * scales[column], high * scales[column]};
    }
};

/// Where a thread reads x: row g of the tile's eight, from the warp's slice on; zeros beyond
/// n_rows.
class InputRow {
  public:
    __device__ InputRow(const LinearInput& input, int first_row, int n_rows, int k, int begin) {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        is_row_ = g < n_rows;
        const int source = input.source(first_row + (is_row_ ? g : 0));
        from_ = input.x + size_t(source) * k + begin * kStepColumns + 8 * t;
    }
    /// An early return would be slower: nvcc 13.0 makes one branch around all loads of it.
    __device__ uint4 load(int step) const {
        uint4 x = {};
        if (is_row_) x = *reinterpret_cast<const uint4*>(from_ + step * kStepColumns);
        return x;
    }

    /// The steps of a round of AHEAD from its step `first` on, of `n_steps` in the slice: zeros for
    /// what is beyond them.
    template <int AHEAD, bool EXACT, int N>
    __device__ void load(uint4 (&x)[N], int round, int first, int n_steps) const {
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int step = round + first + i;
            const bool is_step = first + i < AHEAD && (EXACT || step < n_steps);
            x[i] = is_step ? load(step) : uint4{};
        }
    }

  private:
    const bf16* from_;
    bool is_row_;
};

}  // namespace qwend
