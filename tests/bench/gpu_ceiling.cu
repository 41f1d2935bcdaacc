#include "tests/bench/gpu_ceiling.h"

#include "gpu/cuda.h"
#include "gpu/warp.cuh"

namespace qwend {

namespace {

constexpr int kThreads = 512;
constexpr int kBlocksPerMultiprocessor = 4;  // all the threads there is room for
constexpr int kAhead = 8;                    // loads of a thread in flight

__global__ void __launch_bounds__(kThreads)
    read_kernel(const uint4* data, size_t n, uint32_t* sink) {
    const size_t stride = size_t(gridDim.x) * kThreads;
    size_t at = size_t(blockIdx.x) * kThreads + threadIdx.x;
    uint32_t sum = 0;
    auto add = [&](uint4 v) { sum += v.x ^ v.y ^ v.z ^ v.w; };
    for (; at + (kAhead - 1) * stride < n; at += kAhead * stride) {
        uint4 words[kAhead];
#pragma unroll
        for (int i = 0; i < kAhead; i++) words[i] = load_streaming(data + at + i * stride);
#pragma unroll
        for (int i = 0; i < kAhead; i++) add(words[i]);
    }
    for (; at < n; at += stride) add(load_streaming(data + at));
    if (sum == 0x9E3779B9u) *sink = sum;  // never known in advance, so every load is needed
}

__global__ void fill_kernel(bf16* data, size_t n, float scale) {
    const size_t stride = size_t(gridDim.x) * kThreads;
    for (size_t i = size_t(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
        uint32_t x = uint32_t(i) * 0x9E3779B9u + uint32_t(i >> 32);  // source: murmur3's finish
        x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
        x = (x ^ (x >> 13)) * 0xC2B2AE35u;
        x ^= x >> 16;
        data[i] = __float2bfloat16_rn(float(int32_t(x)) * 0x1p-31f * scale);
    }
}

int n_blocks() {
    int device = 0, n_multiprocessors = 0;
    CUDA_CHECK(cudaGetDevice(&device));
    CUDA_CHECK(cudaDeviceGetAttribute(&n_multiprocessors, cudaDevAttrMultiProcessorCount, device));
    return n_multiprocessors * kBlocksPerMultiprocessor;
}

}  // namespace

void read_all(const void* data, size_t n_bytes, uint32_t* sink, cudaStream_t stream) {
    read_kernel<<<n_blocks(), kThreads, 0, stream>>>(static_cast<const uint4*>(data),
                                                     n_bytes / sizeof(uint4), sink);
    CUDA_CHECK_LAUNCH();
}

void fill_random(bf16* data, size_t n, float scale, cudaStream_t stream) {
    fill_kernel<<<n_blocks(), kThreads, 0, stream>>>(data, n, scale);
    CUDA_CHECK_LAUNCH();
}

}  // namespace qwend
