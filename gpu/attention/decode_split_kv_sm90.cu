#include <algorithm>

#include "gpu/attention/decode_split_kv_sm90.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

constexpr int kClustersWanted = 16;  // a block an SM
constexpr int kRowsOfTwo = 8;        // up to which two blocks an SM are faster than three

/// MIN_BLOCKS: an SM. With two, threads have the registers they want; three let the clusters of
/// more rows run at once, and the next kernel beside them.
template <int HEAD_DIM, int MIN_BLOCKS>
__global__ void __launch_bounds__(kThreads, MIN_BLOCKS)
    few_kernel(DecodeAttentionArgs a, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    FewAttention<HEAD_DIM> attention(a, *reinterpret_cast<FewShared<HEAD_DIM>*>(memory));
    // Without waiting, to make room: the cluster of the row's first part waits for all.
    if (blockIdx.z > 0 && int(blockIdx.z) >= attention.n_parts()) return;
    attention.begin();
    // Before the wait: with kSmallStepCarveout the next kernel's blocks find room beside these.
    allow_next_kernel();
    wait_for_previous_kernel();
    if (attention.n_parts() == 0) return;
    bf16* out = a.out + (size_t(blockIdx.y) * a.shape.n_heads + attention.head()) * HEAD_DIM;
    attention.run(scale, [&](const HeadShare<HEAD_DIM>& share, int part) {
        if (attention.n_parts() == 1)
            share.write(out);
        else
            attention.store(share, part);
    });
    if (attention.n_parts() > 1 && attention.has_head() && attention.is_last())
        attention.merge_parts().write(out);
}

template <int HEAD_DIM, int MIN_BLOCKS>
void launch(const DecodeAttentionArgs& a, cudaStream_t stream) {
    const int n_splits = std::clamp(kClustersWanted / (a.shape.n_kv_heads * a.n), 1, kMaxParts);
    LaunchShape shape{dim3(kBlocks * a.shape.n_kv_heads, a.n, n_splits), kThreads};
    shape.shared_bytes = sizeof(FewShared<HEAD_DIM>);
    shape.cluster = kBlocks;
    if (HEAD_DIM == 64)
        shape.carveout_percent = a.n <= kRowsOfTwo ? kSmallStepCarveout : kLargeStepCarveout;
    launch_dependent(few_kernel<HEAD_DIM, MIN_BLOCKS>, shape, stream, a, log2_scale(HEAD_DIM));
}

}  // namespace

bool can_attend_few() {
    return has_dependent_launch();  // clusters came with it
}

void decode_attention_few(const DecodeAttentionArgs& a, cudaStream_t stream) {
    if (a.shape.head_dim == 128)
        launch<128, 2>(a, stream);
    else if (a.n <= kRowsOfTwo)
        launch<64, 2>(a, stream);
    else
        launch<64, 3>(a, stream);
}

}  // namespace qwend
