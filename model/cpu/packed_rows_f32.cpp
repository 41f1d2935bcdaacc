#include "model/cpu/packed_rows_f32.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "model/cpu/few_rows.h"
#include "model/cpu/ops.h"

namespace qwend {

namespace {

constexpr int kLanes = 16;  // two inputs of eight outputs
constexpr int kEights = kPanelColumns / 8;
constexpr int kPairs = 8;  // of inputs, taken at a time

// As wide as AVX-512 has them; a compiler makes several of one where registers are narrower.
using Floats = float __attribute__((vector_size(kLanes * 4)));
using Ints = int32_t __attribute__((vector_size(kLanes * 4)));
using Words = uint32_t __attribute__((vector_size(kLanes * 4)));

/// Of one group: sums over its inputs, before they are scaled, and what is taken from its codes.
struct Lanes {
    Floats sums[kFewRows][kEights];
    Floats zeros[kEights];
    Floats x[kFewRows][kPairs];  // a pair of inputs, again and again
};

QWEND_MULTIARCH void add_int4(const std::byte* codes, int n_rows, Lanes& lanes) {
    for (int e = 0; e < kEights; e++) {
        Words words;
        std::memcpy(&words, codes + e * 64, sizeof words);
        const Floats zeros = lanes.zeros[e];
        for (int pair = 0; pair < kPairs; pair++) {
            const Floats values = __builtin_convertvector((Ints)(words & 15), Floats) - zeros;
            words >>= 4;
            for (int row = 0; row < n_rows; row++)
                lanes.sums[row][e] += lanes.x[row][pair] * values;
        }
    }
}

QWEND_MULTIARCH void add_int8(const std::byte* codes, int n_rows, Lanes& lanes) {
    for (int e = 0; e < kEights; e++)
        for (int pair = 0; pair < kPairs; pair++) {
            int8_t bytes[kLanes];
            int32_t wide[kLanes];  // GCC widens bytes well in a loop alone
            Ints words;
            std::memcpy(bytes, codes + pair * 128 + e * kLanes, sizeof bytes);
            for (int i = 0; i < kLanes; i++) wide[i] = bytes[i];
            std::memcpy(&words, wide, sizeof words);
            const Floats values = __builtin_convertvector(words, Floats) - lanes.zeros[e];
            for (int row = 0; row < n_rows; row++)
                lanes.sums[row][e] += lanes.x[row][pair] * values;
        }
}

QWEND_MULTIARCH void add_fp8(const std::byte* codes, int n_rows, Lanes& lanes) {
    for (int e = 0; e < kEights; e++)
        for (int pair = 0; pair < kPairs; pair++) {
            uint8_t bytes[kLanes];
            uint32_t wide[kLanes];
            Words words;
            std::memcpy(bytes, codes + pair * 128 + e * kLanes, sizeof bytes);
            for (int i = 0; i < kLanes; i++) wide[i] = bytes[i];
            std::memcpy(&words, wide, sizeof words);
            // In the place of a float's, exponent and mantissa are the number times 2^-120.
            const Words bits = (words & 0x80) << 24 | (words & 0x7F) << 20;
            const Floats values = (Floats)bits * 0x1p120f;
            for (int row = 0; row < n_rows; row++)
                lanes.sums[row][e] += lanes.x[row][pair] * values;
        }
}

/// x: of each row, `stride` apart, from the first input on.
void read_inputs(const float* x, size_t stride, int n_rows, Lanes& lanes) {
    for (int row = 0; row < n_rows; row++)
        for (int pair = 0; pair < kPairs; pair++)
            for (int i = 0; i < kLanes; i++)
                lanes.x[row][pair][i] = x[size_t(row) * stride + size_t(2 * pair + i % 2)];
}

void read_zeros(const PackedLayout& layout, const std::byte* record, Lanes& lanes) {
    const std::byte* from = record + PackedLayout::kScaleBytes;
    int16_t whole[kPanelColumns];
    float zeros[kPanelColumns];
    std::fill_n(whole, kPanelColumns, int16_t(layout.kind == LinearKind::int4 ? 8 : 0));
    if (layout.has_zeros && !layout.has_real_zeros) std::memcpy(whole, from, sizeof whole);
    std::copy_n(whole, kPanelColumns, zeros);
    if (layout.has_real_zeros) std::memcpy(zeros, from, sizeof zeros);
    for (int j = 0; j < kPanelColumns; j++)
        for (int of_two = 0; of_two < 2; of_two++)
            lanes.zeros[j / 8][j % 8 * 2 + of_two] = zeros[j];
}

/// sums: (n_rows, 64).
void panel_product(const PackedLayout& layout, const std::byte* panel, const float* x, int n_rows,
                   float* sums) {
    const auto add = layout.kind == LinearKind::int4   ? add_int4
                     : layout.kind == LinearKind::int8 ? add_int8
                                                       : add_fp8;
    const size_t k = size_t(layout.k_padded()), depth = size_t(layout.depth());
    for (int group = 0; group < layout.n_groups(); group++) {
        const std::byte* record = panel + layout.record_begin(group);
        const std::byte* codes = record + layout.header_bytes();
        float scales[kPanelColumns];
        std::memcpy(scales, record, sizeof scales);
        Lanes lanes = {};
        read_zeros(layout, record, lanes);
        const size_t begin = size_t(group) * depth, end = std::min(begin + depth, k);
        for (size_t i = begin; i < end; i += 16, codes += 16 * layout.input_bytes())
            read_inputs(x + i, k, n_rows, lanes), add(codes, n_rows, lanes);
        for (int row = 0; row < n_rows; row++)
            for (int j = 0; j < kPanelColumns; j++) {
                const Floats& of_eight = lanes.sums[row][j / 8];
                sums[row * kPanelColumns + j] +=
                    (of_eight[j % 8 * 2] + of_eight[j % 8 * 2 + 1]) * scales[j];
            }
    }
}

}  // namespace

void packed_rows_product_f32(const PackedLayout& layout, const std::byte* panels, const float* x,
                             int n_rows, const float* bias, float* y) {
    const int n_panels = layout.n_panels();
#pragma omp parallel for schedule(static)
    for (int p = 0; p < n_panels; p++) {
        float sums[kFewRows * kPanelColumns] = {};
        panel_product(layout, panels + size_t(p) * layout.panel_bytes(), x, n_rows, sums);
        write_panel_sums(sums, n_rows, p, bias, layout.n, y);
    }
}

}  // namespace qwend
