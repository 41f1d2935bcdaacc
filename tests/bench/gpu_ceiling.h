#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "gpu/tensors.h"

namespace qwend {

/// Reads n bytes (a multiple of 16) and does nothing with them: the ceiling of whatever reads
/// weights. `sink`: one word, written if a sum of all happens to be a certain number.
void read_all(const void* data, size_t n_bytes, uint32_t* sink, cudaStream_t stream);

/// n bf16 (a multiple of 2) uniform in ±scale: a product of zeros draws less power and so runs
/// faster than a real one.
void fill_random(bf16* data, size_t n, float scale, cudaStream_t stream);

}  // namespace qwend
