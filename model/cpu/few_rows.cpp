#include "model/cpu/few_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace qwend {

namespace {

constexpr int kLanes = 16;  // f32 of a register
constexpr int kRegisters = kPanelColumns / kLanes;
constexpr size_t kAhead = 4096;  // bytes; a page, so that the next one's translation is under way

/// A chunk of k of one panel: adds to out[r] (64) for each row, or begins it.
template <int N_ROWS>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) void chunk_product(
    const bf16_t* x, int k_padded, const bf16_t* panel, int begin, int end, float* out) {
    __m512 sums[N_ROWS][kRegisters];
    for (auto& row : sums)
        for (__m512& sum : row) sum = _mm512_setzero_ps();
    const char* w = reinterpret_cast<const char*>(panel + size_t(begin) * kPanelColumns);
    for (int k = begin; k < end; k += 2, w += kRegisters * sizeof(__m512)) {
        __m512bh weights[kRegisters];
        for (int i = 0; i < kRegisters; i++) {
            _mm_prefetch(w + kAhead + size_t(i) * sizeof(__m512), _MM_HINT_T0);
            weights[i] = (__m512bh)_mm512_loadu_si512(w + size_t(i) * sizeof(__m512));
        }
        for (int row = 0; row < N_ROWS; row++) {
            int pair;
            std::memcpy(&pair, x + size_t(row) * k_padded + k, sizeof pair);
            const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
            for (int i = 0; i < kRegisters; i++)
                sums[row][i] = _mm512_dpbf16_ps(sums[row][i], both, weights[i]);
        }
    }
    for (int row = 0; row < N_ROWS; row++)
        for (int i = 0; i < kRegisters; i++) {
            float* to = out + row * kPanelColumns + i * kLanes;
            if (begin > 0) sums[row][i] = _mm512_add_ps(_mm512_loadu_ps(to), sums[row][i]);
            _mm512_storeu_ps(to, sums[row][i]);
        }
}

}  // namespace

void few_rows_product(const bf16_t* x, int n_rows, int k_padded, const bf16_t* weights,
                      const float* bias, int n, float* y) {
    constexpr decltype(&chunk_product<1>) kProducts[kFewRows] = {
        chunk_product<1>, chunk_product<2>, chunk_product<3>, chunk_product<4>};
    const auto product = kProducts[n_rows - 1];
    const int chunk = depth_chunk(k_padded);
    const int n_panels = (n + kPanelColumns - 1) / kPanelColumns;
#pragma omp parallel for schedule(static)
    for (int p = 0; p < n_panels; p++) {
        float sums[kFewRows * kPanelColumns] = {};
        for (int k = 0; k < k_padded; k += chunk)
            product(x, k_padded, weights + size_t(p) * k_padded * kPanelColumns, k,
                    std::min(k + chunk, k_padded), sums);
        write_panel_sums(sums, n_rows, p, bias, n, y);
    }
}

}  // namespace qwend
#else
#include <exception>

namespace qwend {

/// Never chosen here.
void few_rows_product(const bf16_t*, int, int, const bf16_t*, const float*, int, float*) {
    std::terminate();
}

}  // namespace qwend
#endif
