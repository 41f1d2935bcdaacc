#include "gpu/attention/attention.h"
#include "gpu/launch.h"
#include "gpu/rope_kv.cuh"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

/// One block a token; a thread takes pairs (i, i + head_dim / 2) of a head.
__global__ void rope_kv_kernel(const bf16* qkv, const float* bias, const float2* rotations,
                               const int32_t* slots, HeadShape shape, bf16* queries,
                               KvCache cache) {
    allow_next_kernel();
    wait_for_previous_kernel();
    const int row = blockIdx.x, half = shape.head_dim / 2;
    const int slot = slots[row];
    if (slot < 0) return;
    const bf16* x = qkv + size_t(row) * shape.qkv_dim();
    const float2* rotation = rotations + size_t(row) * half;
    const int n_pairs = shape.qkv_dim() / 2;
    for (int pair = threadIdx.x; pair < n_pairs; pair += blockDim.x) {
        const int head = pair / half, i = pair % half;
        const int low = head * shape.head_dim + i, high = low + half;
        place_qkv_pair(head, i, row, slot, shape, queries, cache)
            .write(float(x[low]) + bias[low], float(x[high]) + bias[high], rotation[i]);
    }
}

}  // namespace

void rope_kv(const bf16* qkv, const float* bias, const float2* rotations, const int32_t* slots,
             int n, HeadShape shape, bf16* queries, KvCache cache, cudaStream_t stream) {
    constexpr int kThreads = 192;
    launch_dependent(rope_kv_kernel, {n, kThreads}, stream, qkv, bias, rotations, slots, shape,
                     queries, cache);
}

}  // namespace qwend
