#pragma once

#include "gpu/sm90/tensor_map.h"
#include "gpu/tensors.h"

namespace qwend {

/// Weights as TMA copies them for kWgmmaSm90: in groups of 16 rows, which are 8 rows that follow
/// each other and the 8 partners `partner_offset` rows further. So the two rows of which an
/// epilogue makes one result meet in one thread:
///   partner_offset = 8              the rows as they lie
///   partner_offset = head_dim / 2   the pairs that RoPE rotates
///   partner_offset = n / 2          a gate and its up
/// The offset is a multiple of 8, and n one of 2 * partner_offset. Between a row and its partner
/// are partner_offset / 8 groups. A tile has groups_per_tile of them, in the order of their first
/// rows, and is a whole number of offsets or a whole part of one.

/// Of dense weights: (k, 8 rows, 2 partners, partner_offset / 8, n / (2 * partner_offset)).
CUtensorMap weight_tensor_map(DenseWeights weights, int partner_offset, int groups_per_tile);

/// Of quantised ones the tiles of codes, so many chunks at a time, and the scales, of one group of
/// inputs at a time: (a tile or eight scales, chunks or groups, 2 partners, and the rest as above).
CUtensorMap codes_tensor_map(const PackedWeights& weights, int partner_offset, int groups_per_tile,
                             int n_chunks);
CUtensorMap scales_tensor_map(const PackedWeights& weights, int partner_offset,
                              int groups_per_tile);

}  // namespace qwend
