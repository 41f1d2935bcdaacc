#pragma once

#include "gpu/sm90/tensor_map.h"
#include "gpu/tensors.h"

namespace qwend {

/// Tiles of weights for TMA, in groups of 16 rows: eight, and their partners `run` rows further,
/// where `run` is a multiple of 8 and the matrix one of 2 * run. run = 8: as they lie; half a head:
/// the pairs that RoPE turns; half of the matrix: a gate and its up. A tile has tile_groups of
/// them, in the order of the first eights; of several runs a tile has whole ones, or is a whole
/// part of one.
struct WeightTiles {
    CUtensorMap map;
    int groups_a_run;  // run / 8

    WeightTiles(RowWeights weights, int run, int tile_groups);
};

}  // namespace qwend
