#include "gpu/sampling/sample.h"

#include "gpu/launch.h"
#include "gpu/sampling/row_draw.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// sample_rows: draws a token for each row of logits, as model/sampler.h does.
//
// What    logits (n, width) f32, of which ids below n_valid count, to tokens and log-probabilities
//         in the host's memory, and to the lane's last token, which is the next step's input.
// Grid    (8 blocks of a cluster, rows); before sm_90 (1, rows).
// Block   512 threads; two blocks an SM.
// Shared  a block's slice of the row, 76 KiB with Qwen2's vocabulary; before sm_90 the row is in
//         `scratch`.
// Order   row_sampler.cuh loads the slice and changes logits as the request asks, row_draw.cuh
//         chooses. What needs the whole row goes through reductions over the cluster
//         (cluster_reduce.cuh).
// Source  Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3" (Philox).

namespace qwend {

namespace {

__global__ void __launch_bounds__(kSampleThreads, 2)
    sample_rows_kernel(SampleArgs args, int slice_size) {
    extern __shared__ __align__(16) float slice[];
    __shared__ SamplerShared shared;
    const int row = blockIdx.y;
    if (args.of.lanes[row] < 0)
        return wait_for_previous_kernel();  // padding; the whole cluster exits
    const size_t begin = size_t(row) * args.width;
    RowSampler sampler(args, row, args.scratch ? args.scratch + begin : slice, slice_size, shared);
    wait_for_previous_kernel();
    sampler.run(args.logits + begin, *args.results.slot * args.results.rows_per_slot + row);
}

/// One block; see reset_counts().
__global__ void reset_counts_kernel(uint16_t* counts, int n_valid, const int32_t* history,
                                    int n_prompt, int n_history) {
    for (int i = threadIdx.x; i < n_valid; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < n_prompt; i += blockDim.x)
        if (history[i] < n_valid) counts[history[i]] = kInPrompt;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int i = n_prompt; i < n_history; i++) count(counts, n_valid, history[i]);
}

__global__ void add_counts_kernel(uint16_t* counts, int n_valid, const int32_t* tokens, int n) {
    for (int i = 0; i < n; i++) count(counts, n_valid, tokens[i]);
}

}  // namespace

void sample_rows(const SampleArgs& args, const Stream& stream) {
    // Rows begin at multiples of 16 bytes.
    SHAPE_CHECK(args.n > 0 && args.n_valid > 0 && args.n_valid <= args.width &&
                args.width % 4 == 0);
    const unsigned n_blocks = args.scratch ? 1 : kMaxCluster;
    const int each = (args.n_valid + int(n_blocks) - 1) / int(n_blocks);
    const int slice_size = (each + 3) / 4 * 4;
    const size_t shared_bytes = args.scratch ? 0 : size_t(slice_size) * sizeof(float);
    launch_dependent(sample_rows_kernel,
                     {dim3(n_blocks, args.n), kSampleThreads, shared_bytes, n_blocks}, stream, args,
                     slice_size);
}

void reset_counts(uint16_t* counts, int n_valid, const int32_t* history, int n_prompt,
                  int n_history, const Stream& stream) {
    reset_counts_kernel<<<1, kSampleThreads, 0, stream>>>(counts, n_valid, history, n_prompt,
                                                          n_history);
    CUDA_CHECK_LAUNCH();
}

void add_counts(uint16_t* counts, int n_valid, const int32_t* tokens, int n, const Stream& stream) {
    add_counts_kernel<<<1, 1, 0, stream>>>(counts, n_valid, tokens, n);
    CUDA_CHECK_LAUNCH();
}

}  // namespace qwend
