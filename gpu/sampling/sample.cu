#include "gpu/sampling/sample.h"

#include "gpu/launch.h"
#include "gpu/sampling/row_draw.cuh"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

__global__ void __launch_bounds__(kSampleThreads, 2)
    sample_kernel(SampleArgs args, int slice_size) {
    extern __shared__ __align__(16) float slice[];
    __shared__ SamplerShared shared;
    const int row = blockIdx.y;
    if (args.lanes[row] < 0) return wait_for_previous_kernel();  // the whole cluster
    const size_t begin = size_t(row) * args.width;
    RowSampler sampler(args, row, args.scratch ? args.scratch + begin : slice, slice_size, shared);
    wait_for_previous_kernel();
    sampler.run(args.logits + begin, *args.results.slot * args.results.rows_per_slot + row);
}

__global__ void reset_counts_kernel(uint16_t* counts, int n_valid, const int32_t* history,
                                    int n_prompt, int n_history) {
    for (int i = threadIdx.x; i < n_valid; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < n_prompt; i += blockDim.x)
        if (history[i] < n_valid) counts[history[i]] = kInPrompt;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int i = n_prompt; i < n_history; i++)
            if (history[i] < n_valid) counts[history[i]]++;
}

}  // namespace

void sample_rows(const SampleArgs& args, cudaStream_t stream) {
    const unsigned n_blocks = args.scratch ? 1 : kMaxCluster;
    const int share = (args.n_valid + int(n_blocks) - 1) / int(n_blocks);
    const int slice_size = (share + 3) / 4 * 4;
    const size_t shared_bytes = args.scratch ? 0 : size_t(slice_size) * sizeof(float);
    launch_dependent(sample_kernel,
                     {dim3(n_blocks, args.n), kSampleThreads, shared_bytes, n_blocks}, stream, args,
                     slice_size);
}

void reset_counts(uint16_t* counts, int n_valid, const int32_t* history, int n_prompt,
                  int n_history, cudaStream_t stream) {
    reset_counts_kernel<<<1, kSampleThreads, 0, stream>>>(counts, n_valid, history, n_prompt,
                                                          n_history);
    CUDA_CHECK_LAUNCH();
}

}  // namespace qwend
