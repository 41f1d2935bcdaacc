#pragma once

#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"

namespace qwend {

/// What a row and KV head's heads have over some tiles of a shared prefix, in global memory:
/// decode_attention_shared_prefix leaves it to decode_attention_suffix.
template <int HEAD_DIM>
struct PrefixPartial {
    float max[kMaxGroup], sum[kMaxGroup];
    float out[kMaxGroup][HEAD_DIM];
};

/// Merges partial results of one head and dimension, when the largest maximum is known.
struct MergedOutput {
    float max = -INFINITY, sum = 0, out = 0;

    __device__ void add(float other_max, float other_sum, float other_out) {
        const float factor = exp2_ftz(other_max - max);
        sum += other_sum * factor, out += other_out * factor;
    }
};

}  // namespace qwend
