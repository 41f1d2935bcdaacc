#include "gpu/linear/weight_map.h"

#include <algorithm>

namespace qwend {

WeightTiles::WeightTiles(RowWeights weights, int run, int tile_groups) : groups_a_run(run / 8) {
    const cuuint64_t k = cuuint64_t(weights.k), n = cuuint64_t(weights.n);
    const cuuint64_t r = cuuint64_t(run);
    const auto boxes = cuuint32_t(std::min(tile_groups, groups_a_run));
    map = encode_tensor_map<5>({weights.data,
                                {k, 8, 2, r / 8, n / (2 * r)},
                                {k, r * k, 8 * k, 2 * r * k},
                                {kSwizzleColumns, 8, 2, boxes, cuuint32_t(tile_groups) / boxes}});
}

}  // namespace qwend
