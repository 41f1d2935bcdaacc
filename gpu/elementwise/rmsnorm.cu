#include "gpu/elementwise/elementwise.h"
#include "gpu/launch.h"
#include "gpu/sm90/dependent_launch.cuh"
#include "gpu/warp.cuh"

// rmsnorm: out = x / sqrt(mean(x²) + eps) * weight, for products of cuBLASLt. The fused products
// have RMSNorm in the kernels around them (gpu/linear/linear.h).
//
// What    x (rows, width) f32, rows gathered where `rows` is given, to out (n, width) bf16.
// Grid    a block of 256 threads for each row. The row is read twice; the second read comes from
//         L1.
// Source  Zhang & Sennrich 2019, arXiv:1910.07467.

namespace qwend {

namespace {

constexpr int kThreads = 256;

__global__ void rmsnorm_kernel(const float* x, const int32_t* rows, const float* weight, float eps,
                               int width, bf16* out) {
    __shared__ float scratch[kThreads / kWarp];
    wait_for_previous_kernel();
    const size_t from = rows ? size_t(rows[blockIdx.x]) : blockIdx.x;
    const auto* in = reinterpret_cast<const float4*>(x + from * width);
    const auto* w = reinterpret_cast<const float4*>(weight);
    auto* to = reinterpret_cast<uint2*>(out + size_t(blockIdx.x) * width);
    float sum = 0;
    for (int i = threadIdx.x; i < width / 4; i += kThreads) {
        const float4 v = in[i];
        sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    const float scale = rsqrtf(block_sum<kThreads>(sum, scratch) / float(width) + eps);
    for (int i = threadIdx.x; i < width / 4; i += kThreads) {
        const float4 v = in[i], g = w[i];
        to[i] = {pack_bf16(v.x * scale * g.x, v.y * scale * g.y),
                 pack_bf16(v.z * scale * g.z, v.w * scale * g.w)};
    }
}

}  // namespace

void rmsnorm(const float* x, const int32_t* rows, const float* weight, float eps, int n, int width,
             bf16* out, const Stream& stream) {
    SHAPE_CHECK(n > 0 && width % 4 == 0);
    launch_dependent(rmsnorm_kernel, {n, kThreads}, stream, x, rows, weight, eps, width, out);
}

}  // namespace qwend
