#include "gpu/attention/attention.h"
#include "gpu/launch.h"
#include "gpu/rope_kv_write.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// rope_kv_write: bias, RoPE and the write to the paged KV cache, after a product of cuBLASLt. The
// fused products do the same in their epilogues.
//
// What    of qkv (n, qkv_dim) bf16, per head and pair (i, i + head_dim / 2): add the bias, rotate
//         queries and keys by (cos, sin) of the row's position; queries to (n, q_dim), keys and
//         values to their slots.
// Grid    a block for each row; a thread takes pairs.
// Source  Su et al. 2021, arXiv:2104.09864 (RoPE).

namespace qwend {

namespace {

__global__ void rope_kv_write_kernel(const bf16* qkv, const float* bias, const float2* rotations,
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

void rope_kv_write(const bf16* qkv, const float* bias, const float2* rotations,
                   const int32_t* slots, int n, HeadShape shape, bf16* queries, KvCache cache,
                   const Stream& stream) {
    constexpr int kThreads = 192;
    SHAPE_CHECK(n > 0 && shape.head_dim % 2 == 0 && shape.n_heads % shape.n_kv_heads == 0);
    launch_dependent(rope_kv_write_kernel, {n, kThreads}, stream, qkv, bias, rotations, slots,
                     shape, queries, cache);
}

}  // namespace qwend
