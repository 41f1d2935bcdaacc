#include <algorithm>

#include "gpu/attention/decode_split_kv_sm90.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

// decode_attention_split_kv_sm90: attention of a few rows of one query each over the paged KV
// cache.
//
// What    out (n, q_dim) bf16 = softmax(q · Kᵀ / sqrt(head_dim)) · V, for every row and head;
//         softmax and sums in f32, its weights rounded to bf16 for the second product.
// Grid    (8 blocks for each KV head, rows, clusters for the splits of a long context); clusters of
//         8.
// Block   8 warps.
// Shared  a tile of keys and values for each warp, and what other blocks send: 34 KiB with heads of
//         64, 68 KiB with 128.
// Order   See decode_split_kv_sm90.cuh.
// When    Up to kMaxSplitKvRows rows on sm_90. More rows keep the device busy with a block each:
//         decode_attention_batched. One row with a short context, in one model's shape, is faster
//         still in decode_attention_o_proj_14x64_sm90.
// Source  Dao et al. 2023, "Flash-Decoding for long-context inference".

namespace qwend {

namespace {

constexpr int kClustersWanted = 16;     // of the grid: about a block for each SM of an H100
constexpr int kMaxRowsOfTwoBlocks = 8;  // with more, three blocks an SM are faster

/// MIN_BLOCKS: an SM. With two a thread has all the registers it wants. Three let the clusters of
/// more rows run at once, and the next kernel beside them.
template <int HEAD_DIM, int MIN_BLOCKS>
__global__ void __launch_bounds__(kThreads, MIN_BLOCKS)
    decode_attention_split_kv_sm90_kernel(DecodeAttentionArgs a, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    SplitKvAttention<HEAD_DIM> attention(a, *reinterpret_cast<SplitKvShared<HEAD_DIM>*>(memory));
    // A cluster without a split leaves at once, to make room. It need not wait for the previous
    // kernel, because the cluster of the row's first split does.
    if (blockIdx.z > 0 && int(blockIdx.z) >= attention.n_splits()) return;
    attention.begin();
    // Allowed before the wait, because the next kernel's blocks find room beside these (see
    // kSmallStepCarveout).
    allow_next_kernel();
    wait_for_previous_kernel();
    if (attention.n_splits() == 0) return;
    bf16* out = a.out + (size_t(blockIdx.y) * a.shape.n_heads + attention.head()) * HEAD_DIM;
    attention.run(scale, [&](const PartialHead<HEAD_DIM>& partial, int split) {
        if (attention.n_splits() == 1)
            partial.write(out);
        else
            attention.store(partial, split);
    });
    if (attention.n_splits() > 1 && attention.has_head() && attention.is_last())
        attention.merge_splits().write(out);
}

template <int HEAD_DIM, int MIN_BLOCKS>
void launch(const DecodeAttentionArgs& a, const Stream& stream) {
    const int n_clusters =
        std::clamp(kClustersWanted / (a.shape.n_kv_heads * a.n), 1, kMaxKvSplits);
    LaunchShape shape{dim3(kKvHeadBlocks * a.shape.n_kv_heads, a.n, n_clusters), kThreads};
    shape.shared_bytes = sizeof(SplitKvShared<HEAD_DIM>);
    shape.cluster = kKvHeadBlocks;
    if (HEAD_DIM == 64)
        shape.carveout_percent =
            a.n <= kMaxRowsOfTwoBlocks ? kSmallStepCarveout : kLargeStepCarveout;
    launch_dependent(decode_attention_split_kv_sm90_kernel<HEAD_DIM, MIN_BLOCKS>, shape, stream, a,
                     log2_scale(HEAD_DIM));
}

}  // namespace

void decode_attention_split_kv_sm90(const DecodeAttentionArgs& a, const Stream& stream) {
    SHAPE_CHECK(stream.device().has_clusters() && a.n > 0 && is_attention_shape(a.shape));
    if (a.shape.head_dim == 128)
        launch<128, 2>(a, stream);
    else if (a.n <= kMaxRowsOfTwoBlocks)
        launch<64, 2>(a, stream);
    else
        launch<64, 3>(a, stream);
}

}  // namespace qwend
