#pragma once

#include <cstddef>

#include "model/cpu/packed_layout.h"

namespace qwend {

/// The product of one to four rows in f32 on any CPU: a read of the codes, where to unpack them for
/// oneDNN would take longer than to read dense weights does. Its sums are in an order of its own.
/// x: (n_rows, k_padded) f32, zero beyond k; bias: (n) or nullptr; y: (n_rows, n). All threads take
/// part.
void packed_rows_product_f32(const PackedLayout& layout, const std::byte* panels, const float* x,
                             int n_rows, const float* bias, float* y);

}  // namespace qwend
