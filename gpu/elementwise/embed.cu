#include "gpu/cuda.h"
#include "gpu/elementwise/elementwise.h"
#include "gpu/warp.cuh"

// embed: begins a step. Updates the block tables, and makes of every token its row of the
// embedding, (cos, sin) for RoPE, and what the first product wants of the residual stream.
//
// What    hidden (n, width) f32 of embedding (vocab, width) bf16; x = hidden * norm in bf16 and
//         partial sums of squares, where wanted; rotations (n, head_dim / 2).
// Grid    a block for each token, 128 threads.
// Order   It never allows the next kernel to start early, because the kernels after that one read
//         the block tables before they wait for it.

namespace qwend {

namespace {

constexpr int kThreads = 128;

/// Writes eight columns of one row; returns the sum of their squares.
__device__ float embed_columns(const EmbedArgs& a, int row, int token, int i) {
    const uint4 eight = reinterpret_cast<const uint4*>(a.embedding + size_t(token) * a.width)[i];
    const float2 p[4] = {unpack_bf16(eight.x), unpack_bf16(eight.y), unpack_bf16(eight.z),
                         unpack_bf16(eight.w)};
    auto* to = reinterpret_cast<float4*>(a.hidden + size_t(row) * a.width);
    to[2 * i] = {p[0].x, p[0].y, p[1].x, p[1].y};
    to[2 * i + 1] = {p[2].x, p[2].y, p[3].x, p[3].y};
    if (!a.x) return 0;
    uint32_t x[4];
    float square = 0;
    for (int j = 0; j < 4; j++) {
        const float2 norm = reinterpret_cast<const float2*>(a.norm)[4 * i + j];
        x[j] = pack_bf16(p[j].x * norm.x, p[j].y * norm.y);
        square += p[j].x * p[j].x + p[j].y * p[j].y;
    }
    reinterpret_cast<uint4*>(a.x + size_t(row) * a.width)[i] = {x[0], x[1], x[2], x[3]};
    return square;
}

/// Writes one row and its sums of squares.
__device__ void embed_row(const EmbedArgs& a, int row, int token) {
    const int n = a.width / 8;
    const int together =
        a.x ? a.square_width / 8 : 1;  // neighbouring threads whose columns make a sum
    const int n_sums = (n + together - 1) / together;
    for (int i = threadIdx.x; i < n_sums * together; i += kThreads) {
        float square = i < n ? embed_columns(a, row, token, i) : 0;
        if (!a.x) continue;
        const unsigned mask = ((1u << together) - 1) << threadIdx.x % kWarp / together * together;
        for (int offset = 1; offset < together; offset *= 2)
            square += __shfl_xor_sync(mask, square, offset);
        if (i % together == 0) a.squares[size_t(row) * n_sums + i / together] = square;
    }
}

__global__ void embed_kernel(EmbedArgs a) {
    const int row = blockIdx.x;
    for (int i = row * kThreads + threadIdx.x; i < *a.n_updates; i += a.n * kThreads)
        a.block_tables[a.updates[i].index] = a.updates[i].block;
    int token = a.tokens[row];
    if (token < 0) token = a.last_tokens[-1 - token];
    embed_row(a, row, token);
    const int half = a.head_dim / 2;
    if (threadIdx.x < half) {
        float sin, cos;
        sincosf(float(a.positions[row]) * a.inv_freq[threadIdx.x], &sin, &cos);
        a.rotations[size_t(row) * half + threadIdx.x] = {cos * a.rope_scale, sin * a.rope_scale};
    }
}

}  // namespace

void embed(const EmbedArgs& args, const Stream& stream) {
    SHAPE_CHECK(args.n > 0 && args.width % 8 == 0 && args.head_dim / 2 <= kThreads);
    SHAPE_CHECK(!args.x || args.square_width == 8 || args.square_width == 64);
    embed_kernel<<<args.n, kThreads, 0, stream>>>(args);
    CUDA_CHECK_LAUNCH();
}

}  // namespace qwend
