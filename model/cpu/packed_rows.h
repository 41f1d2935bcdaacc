#pragma once

#include <cstddef>

#include "model/bf16.h"
#include "model/cpu/packed_layout.h"

namespace qwend {

/// What needs AVX-512 bf16 of packed weights. Both make a bf16 of a code, its zero and its scale by
/// the same arithmetic, (code - zero) * scale rounded to nearest even, so that a product has the
/// same bits whichever of them reads the weights.

/// As many rows as are faster so than by unpacking: four at a time, of which all but the first find
/// the codes in the cache.
inline constexpr int kPackedRows = 8;

/// The product of few rows: few_rows_product() of what the weights stand for, to the bit, but for
/// what it reads of memory. x: (n_rows, k_padded) bf16, zero beyond k; bias: (n) or
/// nullptr; y: (n_rows, n). All threads take part.
void packed_rows_product(const PackedLayout& layout, const std::byte* panels, const bf16_t* x,
                         int n_rows, const float* bias, float* y);

/// A panel as few_rows_product() takes it: (k_padded / 2, 64, 2) bf16, zero beyond k.
void packed_to_bf16(const PackedLayout& layout, const std::byte* panel, bf16_t* out);

}  // namespace qwend
