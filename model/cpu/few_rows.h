#pragma once

#include <algorithm>
#include <cstddef>

#include "model/bf16.h"

namespace qwend {

/// The product of one to four rows, which is a read of the weights at memory speed and nothing
/// else. oneDNN's kernel leaves prefetching to the hardware, which stops at every page; this one
/// asks ahead. Same layout, same order of additions, same bits as oneDNN's.
inline constexpr int kFewRows = 4;
inline constexpr int kPanelColumns = 64;  // outputs whose weights lie together
inline constexpr int kPanelDepth = 32;    // k is padded to a multiple of this

/// oneDNN sums this much of k in registers before it adds to what it has (2.6.3, found by trying).
inline int depth_chunk(int k_padded) {
    return k_padded <= 1024 ? 512 : 1024;
}

/// What every such kernel ends a panel with: sums (4, 64) and bias to y.
inline void write_panel_sums(const float* sums, int n_rows, int panel, const float* bias, int n,
                             float* y) {
    const int begin = panel * kPanelColumns, n_now = std::min(kPanelColumns, n - begin);
    for (int row = 0; row < n_rows; row++)
        for (int j = 0; j < n_now; j++)
            y[size_t(row) * size_t(n) + size_t(begin + j)] =
                sums[row * kPanelColumns + j] + (bias ? bias[begin + j] : 0.0f);
}

/// y[r * n + j] = sum over k of x[r * k_padded + k] * w[k][j] + bias[j].
/// x: (n_rows, k_padded) bf16, zero beyond k; weights: panels of (k_padded / 2, 64, 2) bf16;
/// bias: (n) or nullptr; y: (n_rows, n). All threads take part. Needs AVX-512 bf16.
void few_rows_product(const bf16_t* x, int n_rows, int k_padded, const bf16_t* weights,
                      const float* bias, int n, float* y);

}  // namespace qwend
