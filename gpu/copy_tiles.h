#pragma once

#include <cuda.h>

#include "gpu/rows.h"

namespace qwend {

/// What the copy engine of sm_90 has to know to copy tiles of a matrix to shared memory, as wgmma
/// reads them: 64 columns a tile, swizzled by 128 bytes; zeros where the matrix has ended.
/// Source: CUDA Driver API, cuTensorMapEncodeTiled; PTX ISA, "Asynchronous Warpgroup Level
/// Matrix Operation".
inline constexpr int kTileDepth = 64;

/// Of weights, in groups of 16 rows: eight, and their partners `run` rows further, where `run` is a
/// multiple of 8 and the matrix one of 2 * run. run = 8: as they lie; half a head: the pairs that
/// RoPE turns; half of the matrix: a gate and its up. A tile has tile_groups of them, in the order
/// of the first eights; of several runs a tile has whole ones, or is a whole part of one.
struct WeightTiles {
    CUtensorMap map;
    int groups_a_run;  // run / 8

    WeightTiles(RowWeights weights, int run, int tile_groups);
};

/// Of an input x (n_rows, k), tiles of tile_rows rows.
CUtensorMap input_tiles(const bf16* x, int n_rows, int k, int tile_rows);

/// Of x (n_rows, 16), tiles of tile_rows rows, swizzled by 32 bytes.
CUtensorMap narrow_tiles(const bf16* x, int n_rows, int tile_rows);

}  // namespace qwend
