#include "gpu/launch.h"
#include "gpu/linear/linear.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/warp.cuh"

// add_partial_sums: what the epilogue of LinearKernels::add does, where the product is spread over
// ranks.
//
// What    hidden (n, width) f32 += partial sums of every rank, f32, one after the other in the
//         order of ranks; x = hidden * norm in bf16 and partial sums of squares, where wanted.
// Grid    (rows, 1024 columns of one each); a thread has eight columns.
// Order   The partial sum of a whole product gives the bits of the fused epilogue. For this a
//         thread has the columns that a thread, or eight, has there, and squares are added as there
//         (skinny_mma_epilogues.cuh and wgmma_sm90_epilogues.cuh), with or without fused
//         multiply-add as nvcc has made of that code.

namespace qwend {

namespace {

constexpr int kThreads = 128;

/// Columns first … first + 3 and second … second + 3.
struct EightColumns {
    int first, second;
};

/// Those of a row's i-th thread. WIDTH: of a sum of squares, 8 or 64; 0 where there is none.
template <int WIDTH>
__device__ EightColumns columns_of(int i) {
    if constexpr (WIDTH != kWgmmaSquareWidth) return {8 * i, 8 * i + 4};
    const int group = i % 4, half = i / 4 % 2;  // of the eight threads of a sum; see OutputQuad
    const int first = i / 8 * WIDTH + group * 16 + half * 4;
    return {first, first + 8};
}

__device__ float4 load_four(const float* from) {
    return *reinterpret_cast<const float4*>(from);
}
__device__ void add_four(float4& x, float4 y) {
    x.x += y.x, x.y += y.y, x.z += y.z, x.w += y.w;
}
__device__ uint2 scale_four(float4 x, float4 norm) {
    return {pack_bf16(x.x * norm.x, x.y * norm.y), pack_bf16(x.z * norm.z, x.w * norm.w)};
}

/// The sum of the squares of WIDTH columns, for the first of the threads that have them.
template <int WIDTH>
__device__ float sum_squares(float4 a, float4 b) {
    if constexpr (WIDTH == kSkinnySquareWidth) {
        auto two = [](float x, float y) { return __fadd_rn(__fmul_rn(x, x), __fmul_rn(y, y)); };
        return __fadd_rn(__fadd_rn(two(a.x, a.y), two(a.z, a.w)),
                         __fadd_rn(two(b.x, b.y), two(b.z, b.w)));
    } else {
        auto four = [](float4 v) {
            return __fmaf_rn(v.w, v.w,
                             __fmaf_rn(v.z, v.z, __fmaf_rn(v.y, v.y, __fmul_rn(v.x, v.x))));
        };
        float sum = __fadd_rn(four(a), four(b));
#pragma unroll
        for (int offset = 1; offset < WIDTH / 8; offset *= 2)
            sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        return sum;
    }
}

template <int WIDTH>
__global__ void __launch_bounds__(kThreads)
    add_partial_sums_kernel(PartialSums sums, ResidualStream out, int width) {
    const int i = int(blockIdx.y) * kThreads + int(threadIdx.x);
    const EightColumns columns = columns_of<WIDTH>(i);
    const bool in_bounds = columns.first < width;
    const size_t first = size_t(blockIdx.x) * width + columns.first;
    const size_t second = size_t(blockIdx.x) * width + columns.second;
    allow_next_kernel();
    float4 a = {}, b = {}, a_norm = {}, b_norm = {};
    if (WIDTH > 0 && in_bounds) {
        a_norm = load_four(out.next_norm + columns.first);
        b_norm = load_four(out.next_norm + columns.second);
    }
    wait_for_previous_kernel();
    if (in_bounds) {
        a = load_four(out.hidden + first), b = load_four(out.hidden + second);
        for (int rank = 0; rank < sums.n_ranks; rank++) {
            add_four(a, load_four(sums.of_rank[rank] + first));
            add_four(b, load_four(sums.of_rank[rank] + second));
        }
        *reinterpret_cast<float4*>(out.hidden + first) = a;
        *reinterpret_cast<float4*>(out.hidden + second) = b;
    }
    if constexpr (WIDTH > 0) {
        constexpr int kTogether = WIDTH / 8;  // threads of a sum
        const float square = sum_squares<WIDTH>(a, b);
        if (!in_bounds) return;
        *reinterpret_cast<uint2*>(out.next_x + first) = scale_four(a, a_norm);
        *reinterpret_cast<uint2*>(out.next_x + second) = scale_four(b, b_norm);
        const int n_sums = (width + WIDTH - 1) / WIDTH;
        if (i % kTogether == 0) out.squares[size_t(blockIdx.x) * n_sums + i / kTogether] = square;
    }
}

template <int WIDTH>
void launch(const PartialSums& sums, const ResidualStream& out, int n, int width,
            int carveout_percent, const Stream& stream) {
    const int n_threads = WIDTH > 0 ? (width + WIDTH - 1) / WIDTH * (WIDTH / 8) : width / 8;
    LaunchShape shape{dim3(unsigned(n), unsigned((n_threads + kThreads - 1) / kThreads)), kThreads};
    shape.carveout_percent = carveout_percent;
    launch_dependent(add_partial_sums_kernel<WIDTH>, shape, stream, sums, out, width);
}

}  // namespace

void add_partial_sums(const PartialSums& sums, const ResidualStream& out, int square_width, int n,
                      int width, const Stream& stream) {
    SHAPE_CHECK(n > 0 && width % 32 == 0);
    SHAPE_CHECK(sums.n_ranks > 0 && sums.n_ranks <= kMaxRanks);
    if (!out.next_x) return launch<0>(sums, out, n, width, -1, stream);
    SHAPE_CHECK(square_width == kSkinnySquareWidth || square_width == kWgmmaSquareWidth);
    if (square_width == kSkinnySquareWidth)
        launch<kSkinnySquareWidth>(sums, out, n, width, kSmallStepCarveout, stream);
    else
        launch<kWgmmaSquareWidth>(sums, out, n, width, kLargeStepCarveout, stream);
}

}  // namespace qwend
