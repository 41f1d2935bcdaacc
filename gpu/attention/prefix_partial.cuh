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

/// One head and dimension of partial results: the maximum of the scores, the sum of their
/// exponentials, and the output before the division.
struct MergedOutput {
    float max = -INFINITY, sum = 0, out = 0;

    /// Merges the first n of part(0 … N - 1), all of which are read before any is used.
    template <int N, class Part>
    __device__ void add_all(int n, Part part) {
        MergedOutput parts[N];
#pragma unroll
        for (int k = 0; k < N; k++)
            if (k < n) parts[k] = part(k);
        float new_max = max;
#pragma unroll
        for (int k = 0; k < N; k++) new_max = fmaxf(new_max, parts[k].max);
        const float keep = max == -INFINITY ? 0 : exp2_ftz(max - new_max);
        sum *= keep, out *= keep, max = new_max;
#pragma unroll
        for (int k = 0; k < N; k++) {
            const float factor = exp2_ftz(parts[k].max - max);
            sum += parts[k].sum * factor, out += parts[k].out * factor;
        }
    }
};

}  // namespace qwend
