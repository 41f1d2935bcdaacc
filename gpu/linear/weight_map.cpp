#include "gpu/linear/weight_map.h"

#include <algorithm>

namespace qwend {

namespace {

/// Groups of a tile, within an offset and over offsets.
struct TileGroups {
    cuuint32_t within, offsets;
    TileGroups(int partner_offset, int groups_per_tile)
        : within(cuuint32_t(std::min(groups_per_tile, partner_offset / 8))),
          offsets(cuuint32_t(groups_per_tile) / within) {}
};

/// Of what lies by eight rows: columns of `width` elements of bf16 each, of which a box has n_box.
CUtensorMap eights_tensor_map(const void* data, cuuint64_t width, cuuint64_t n_columns, int n,
                              int partner_offset, int groups_per_tile, int n_box) {
    const cuuint64_t eight = width * n_columns, offset = cuuint64_t(partner_offset) / 8;
    const TileGroups groups(partner_offset, groups_per_tile);
    return encode_tensor_map<5>(
        {static_cast<const bf16*>(data),
         {width, n_columns, 2, offset, cuuint64_t(n) / 16 / offset},
         {width, offset * eight, eight, 2 * offset * eight},
         {cuuint32_t(width), cuuint32_t(n_box), 2, groups.within, groups.offsets}},
        CU_TENSOR_MAP_SWIZZLE_NONE);
}

}  // namespace

CUtensorMap weight_tensor_map(DenseWeights weights, int partner_offset, int groups_per_tile) {
    const cuuint64_t k = cuuint64_t(weights.k), n = cuuint64_t(weights.n);
    const cuuint64_t offset = cuuint64_t(partner_offset);
    const TileGroups groups(partner_offset, groups_per_tile);
    return encode_tensor_map<5>({weights.data,
                                 {k, 8, 2, offset / 8, n / (2 * offset)},
                                 {k, offset * k, 8 * k, 2 * offset * k},
                                 {kSwizzleColumns, 8, 2, groups.within, groups.offsets}});
}

CUtensorMap codes_tensor_map(const PackedWeights& weights, int partner_offset, int groups_per_tile,
                             int n_chunks) {
    constexpr int kTileBytes = 512, kElements = kTileBytes / int(sizeof(bf16));
    const int chunk = weights.kind == LinearKind::int4 ? 128 : 64;
    return eights_tensor_map(weights.codes, kElements, cuuint64_t(weights.k / chunk), weights.n,
                             partner_offset, groups_per_tile, n_chunks);
}

CUtensorMap scales_tensor_map(const PackedWeights& weights, int partner_offset,
                              int groups_per_tile) {
    constexpr int kElements = 8 * sizeof(uint32_t) / sizeof(bf16);
    return eights_tensor_map(weights.scales, kElements, cuuint64_t(weights.k / weights.group),
                             weights.n, partner_offset, groups_per_tile, 1);
}

}  // namespace qwend
