#include "gpu/elementwise/elementwise.h"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/warp.cuh"
#include "model/pooling.h"

// pool: the final norm of rows of the residual stream, and of several rows of a text one vector.
//
// What    hidden (rows, width) f32 to vectors (n, width) f32, in the host's memory.
// Order   Two kernels. inverse_rms_kernel finds what each pooled row is multiplied by in its norm;
//         pool_kernel gives a thread four columns of a vector, which it adds up row by row. So a
//         vector has the same bits whatever vectors are beside it, and no threads wait for each
//         other.
// Grid    a block of eight warps for each vector, a warp a row at a time; then (columns, vectors).

namespace qwend {

namespace {

constexpr int kRowWarps = 8;
constexpr int kColumnThreads = 64;  // of four columns each

__global__ void inverse_rms_kernel(PoolArgs a) {
    const PooledRows pooled = a.pooled[blockIdx.x];
    const int lane = threadIdx.x % kWarp;
    wait_for_previous_kernel();
    for (int i = threadIdx.x / kWarp; i < pooled.n; i += kRowWarps) {
        const int row = pooled.first + i;
        const auto* x = reinterpret_cast<const float4*>(a.hidden + size_t(row) * a.width);
        float sum = 0;
        for (int c = lane; c < a.width / 4; c += kWarp) {
            const float4 v = x[c];
            sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
        }
        sum = warp_sum(sum);
        if (lane == 0) a.inverse_rms[row] = rsqrtf(sum / float(a.width) + a.eps);
    }
}

/// Of two rows what stays of a dimension.
__device__ float reduce(float sum, float x, Reduction reduction) {
    return reduction != Reduction::max ? sum + x : sum < x ? x : sum;
}

__global__ void pool_kernel(PoolArgs a) {
    const int c = int(blockIdx.x) * kColumnThreads + int(threadIdx.x), columns = a.width / 4;
    const PooledRows pooled = a.pooled[blockIdx.y];
    const auto reduction = Reduction(pooled.reduction);
    wait_for_previous_kernel();
    if (c >= columns) return;
    const auto* x = reinterpret_cast<const float4*>(a.hidden + size_t(pooled.first) * a.width) + c;
    const float4 weight = reinterpret_cast<const float4*>(a.weight)[c];
    auto normed = [&](int i) {
        const float4 v = x[size_t(i) * columns];
        float scale = a.inverse_rms[pooled.first + i];
        if (reduction == Reduction::weighted_sum) scale *= float(pooled.first_place + i);
        return float4{v.x * scale * weight.x, v.y * scale * weight.y, v.z * scale * weight.z,
                      v.w * scale * weight.w};
    };
    float4 out = normed(0);
#pragma unroll 8
    for (int i = 1; i < pooled.n; i++) {
        const float4 v = normed(i);
        out = {reduce(out.x, v.x, reduction), reduce(out.y, v.y, reduction),
               reduce(out.z, v.z, reduction), reduce(out.w, v.w, reduction)};
    }
    reinterpret_cast<float4*>(a.vectors + size_t(blockIdx.y) * a.width)[c] = out;
}

}  // namespace

void pool(const PoolArgs& a, const Stream& stream) {
    SHAPE_CHECK(a.n > 0 && a.width % 4 == 0);
    const int columns = (a.width / 4 + kColumnThreads - 1) / kColumnThreads;
    launch_dependent(inverse_rms_kernel, {a.n, kRowWarps * kWarp}, stream, a);
    launch_dependent(pool_kernel, {dim3(columns, a.n), kColumnThreads}, stream, a);
}

}  // namespace qwend
