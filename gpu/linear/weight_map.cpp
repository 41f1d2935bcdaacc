#include "gpu/linear/weight_map.h"

#include <algorithm>

namespace qwend {

WeightTensorMap::WeightTensorMap(DenseWeights weights, int partner_offset, int groups_per_tile)
    : groups_per_offset(partner_offset / 8) {
    const cuuint64_t k = cuuint64_t(weights.k), n = cuuint64_t(weights.n);
    const cuuint64_t offset = cuuint64_t(partner_offset);
    const auto groups = cuuint32_t(std::min(groups_per_tile, groups_per_offset));
    map = encode_tensor_map<5>(
        {weights.data,
         {k, 8, 2, offset / 8, n / (2 * offset)},
         {k, offset * k, 8 * k, 2 * offset * k},
         {kSwizzleColumns, 8, 2, groups, cuuint32_t(groups_per_tile) / groups}});
}

}  // namespace qwend
