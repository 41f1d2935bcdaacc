#include "gpu/sampling/score.h"

#include "gpu/launch.h"
#include "gpu/sampling/row_draw.cuh"
#include "gpu/sm90/dependent_launch.cuh"

// score_rows: what each row of logits says of a token that is given.
//
// What    logits (n, width) f32, of which ids below n_valid count, to log-probabilities and ranks
//         in the host's memory.
// Grid    (8 blocks of a cluster, rows); before sm_90 (1, rows).
// Block   512 threads; two blocks an SM.
// Shared  as sample_rows: a block's slice of the row, 76 KiB with Qwen2's vocabulary; before sm_90
//         the row is in `scratch`.
// Order   row_sampler.cuh loads the slice, row_draw.cuh sums it up and lists the likeliest, and the
//         likelier than the target are counted. It is a kernel of its own so that sampling, which
//         every step does, costs what it did.

namespace qwend {

namespace {

__global__ void __launch_bounds__(kSampleThreads, 2)
    score_rows_kernel(ScoreArgs args, int slice_size) {
    extern __shared__ __align__(16) float slice[];
    __shared__ SamplerShared shared;
    const int row = blockIdx.y, target = args.targets[row];
    if (target < 0) return wait_for_previous_kernel();  // padding; the whole cluster exits
    const size_t begin = size_t(row) * args.width;
    SampleArgs rows{};
    rows.width = args.width, rows.n_valid = args.n_valid, rows.results = args.results.given;
    LaneSampling params{};
    params.n_logprobs = args.n_logprobs[row];
    RowSampler scorer(rows, params, 0, args.scratch ? args.scratch + begin : slice, slice_size,
                      shared);
    wait_for_previous_kernel();
    const int first = *rows.results.slot * rows.results.rows_per_slot + args.first_row;
    scorer.score(args.logits + begin, target, args.results.ranks, first + row);
}

}  // namespace

void score_rows(const ScoreArgs& args, const Stream& stream) {
    // Rows begin at multiples of 16 bytes.
    SHAPE_CHECK(args.n > 0 && args.n_valid > 0 && args.n_valid <= args.width &&
                args.width % 4 == 0);
    const unsigned n_blocks = args.scratch ? 1 : kMaxCluster;
    const int each = (args.n_valid + int(n_blocks) - 1) / int(n_blocks);
    const int slice_size = (each + 3) / 4 * 4;
    const size_t shared_bytes = args.scratch ? 0 : size_t(slice_size) * sizeof(float);
    launch_dependent(score_rows_kernel,
                     {dim3(n_blocks, args.n), kSampleThreads, shared_bytes, n_blocks}, stream, args,
                     slice_size);
}

}  // namespace qwend
