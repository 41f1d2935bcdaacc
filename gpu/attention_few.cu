#include <algorithm>

#include "gpu/attention.cuh"
#include "gpu/copy_async.cuh"
#include "gpu/cuda.h"
#include "gpu/launch.h"

namespace qwend {

namespace {

// For few rows time is latency: the weights of later kernels keep the memory busy, and every load
// that depends on another costs microseconds. So keys and values of earlier steps are on their way
// to shared memory before the kernel waits for its predecessor, all of them at once, and after the
// wait comes one round of loads: the queries and the newest tile.
//
// A block takes a part of a row's context, its 16 warps a tile of 16 keys each in turn. How a
// context is cut depends on its length alone, and parts are merged in order: a row's bits do not
// depend on how many rows there are.

constexpr int kWarps = 16;
constexpr int kThreads = kWarps * kWarp;
constexpr int kBlocksWanted = 132;         // about one an SM
constexpr size_t kTileMemory = 192 << 10;  // bytes of shared memory for keys and values

template <int HEAD_DIM>
struct Tile {
    bf16 keys[kBlockTokens * HEAD_DIM];
    bf16 values[HEAD_DIM * kBlockTokens];
    static constexpr int kElements = kBlockTokens * HEAD_DIM;
};
template <int HEAD_DIM>
constexpr int kRoundTiles = int(kTileMemory / sizeof(Tile<HEAD_DIM>));  // in shared memory at once

/// A block's share of one row and KV head.
template <int HEAD_DIM>
class PartReader {
  public:
    __device__ PartReader(const DecodeAttentionArgs& a, int row, int kv_head, Tile<HEAD_DIM>* tiles)
        : a_(a),
          kv_head_(kv_head),
          table_(a.block_tables + size_t(a.lanes[row]) * a.table_width),
          tiles_(tiles) {}

    /// Copies the warp's tiles from `begin` to before `end` into places of their own; a warp's are
    /// those whose number from `round_begin` is its own modulo kWarps.
    __device__ void copy(int round_begin, int begin, int end) {
        const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
        for (int tile = round_begin + warp; tile < end; tile += kWarps) {
            if (tile < begin) continue;
            const size_t offset =
                (size_t(table_[tile]) * a_.shape.n_kv_heads + kv_head_) * Tile<HEAD_DIM>::kElements;
            Tile<HEAD_DIM>& to = tiles_[tile - round_begin];
            constexpr int kElementsOfCopy = kCopyBytes / int(sizeof(bf16));
            for (int i = lane * kElementsOfCopy; i < Tile<HEAD_DIM>::kElements;
                 i += kWarp * kElementsOfCopy) {
                copy_async(to.keys + i, a_.cache.keys + offset + i);
                copy_async(to.values + i, a_.cache.values + offset + i);
            }
        }
    }

    /// Attends to the warp's tiles of a round, which have arrived.
    __device__ void attend(const QueryFragment<HEAD_DIM>& q, int round_begin, int end,
                           int n_context, float scale, Running<HEAD_DIM>& running) {
        const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        for (int tile = round_begin + warp; tile < end; tile += kWarps) {
            const Tile<HEAD_DIM>& from = tiles_[tile - round_begin];
            KeyFragment<HEAD_DIM> keys;
            ValueFragment<HEAD_DIM> values;
            keys.load(from.keys, g, t);
            values.load(from.values, g, t);
            float scores[2][4] = {};
            score_keys<HEAD_DIM>(scores, q, keys, tile * kBlockTokens, n_context, scale, t);
            running.take(scores, values);
        }
    }

  private:
    const DecodeAttentionArgs& a_;
    int kv_head_;
    const int32_t* table_;
    Tile<HEAD_DIM>* tiles_;
};

/// What the warps of a block, or the blocks of a row, hand on of one head.
template <int HEAD_DIM>
struct WarpResults {
    float max[kWarps][kMaxGroup], sum[kWarps][kMaxGroup];
    float out[kWarps][kMaxGroup][HEAD_DIM];
};

/// A thread's share of a row's output: one head, HEAD_DIM / 64 dimensions.
template <int HEAD_DIM>
struct Share {
    static constexpr int kDims = HEAD_DIM * kMaxGroup / kThreads;
    float max = -INFINITY, sum = 0, out[kDims] = {};

    __device__ void merge(float part_max, float part_sum, const float* part_out) {
        if (part_max == -INFINITY) return;
        const float new_max = fmaxf(max, part_max);
        const float keep = exp2_flushed(max - new_max), take = exp2_flushed(part_max - new_max);
        sum = sum * keep + part_sum * take;
#pragma unroll
        for (int d = 0; d < kDims; d++) out[d] = out[d] * keep + part_out[d] * take;
        max = new_max;
    }
};

template <int HEAD_DIM>
__device__ Share<HEAD_DIM> merge_warps(const WarpResults<HEAD_DIM>& results, int head, int dim) {
    Share<HEAD_DIM> share;
#pragma unroll
    for (int w = 0; w < kWarps; w++) share.max = fmaxf(share.max, results.max[w][head]);
    if (share.max == -INFINITY) return share;
#pragma unroll
    for (int w = 0; w < kWarps; w++) {
        const float factor = exp2_flushed(results.max[w][head] - share.max);
        share.sum += results.sum[w][head] * factor;
#pragma unroll
        for (int d = 0; d < Share<HEAD_DIM>::kDims; d++)
            share.out[d] += results.out[w][head][dim + d] * factor;
    }
    return share;
}

template <int HEAD_DIM>
__global__ void __launch_bounds__(kThreads) few_kernel(DecodeAttentionArgs a, float scale) {
    constexpr int kPart = kMaxGroup * (HEAD_DIM + 2);  // floats
    constexpr int kRound = kRoundTiles<HEAD_DIM>;
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ bool is_last;
    auto& results = *reinterpret_cast<WarpResults<HEAD_DIM>*>(memory);  // when tiles are done with
    const int kv_head = blockIdx.x, row = blockIdx.y, heads = a.shape.group();
    const int warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
    const int n_context = a.contexts[row];
    const int n_tiles = (n_context + kBlockTokens - 1) / kBlockTokens;
    const int per_part = max(kRound, (n_tiles + kMaxParts - 1) / kMaxParts);
    const int n_parts = (n_tiles + per_part - 1) / per_part;
    // Without waiting, to make room: the block of the row's first part waits for all.
    if (blockIdx.z > 0 && int(blockIdx.z) >= n_parts) return;

    // The step's inputs and the cache of earlier steps are older than the kernel before this one.
    PartReader<HEAD_DIM> reader(a, row, kv_head, reinterpret_cast<Tile<HEAD_DIM>*>(memory));
    const int newest = n_tiles - 1;
    int begin = int(blockIdx.z) * per_part;
    reader.copy(begin, begin, min(begin + kRound, newest));
    wait_for_previous_kernel();
    // Not before: the next kernels' weights would hold up what the one before has yet to write.
    allow_next_kernel();
    if (n_parts == 0) return;
    if (newest < begin + kRound) reader.copy(begin, newest, n_tiles);
    const auto q = load_group<HEAD_DIM>(
        a.queries + (size_t(row) * a.shape.n_heads + kv_head * heads) * HEAD_DIM, heads, g, t);

    const int head = threadIdx.x / (kThreads / kMaxGroup);
    const int dim = threadIdx.x % (kThreads / kMaxGroup) * Share<HEAD_DIM>::kDims;
    float* parts = a.partials + (size_t(kv_head) * gridDim.y + row) * kMaxParts * kPart +
                   head * (HEAD_DIM + 2);
    Share<HEAD_DIM> share;
    for (int part = blockIdx.z; part < n_parts; part += gridDim.z) {
        Running<HEAD_DIM> running;
        const int part_end = min((part + 1) * per_part, n_tiles);
        for (int round = part * per_part; round < part_end; round += kRound) {
            const int end = min(round + kRound, part_end);
            if (round != begin) {
                __syncthreads();  // the memory is in use
                reader.copy(round, round, end);
            }
            wait_for_all_copies();
            __syncwarp();  // what the warp's other threads copied
            reader.attend(q, round, end, n_context, scale, running);
        }
        const float sum = row_sum(running.sum);
        __syncthreads();
        if (t == 0) results.max[warp][g] = running.max, results.sum[warp][g] = sum;
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            *reinterpret_cast<float2*>(&results.out[warp][g][8 * j + 2 * t]) = {running.out[j][0],
                                                                                running.out[j][1]};
        __syncthreads();
        share = merge_warps(results, head, dim);
        begin = -1;
        if (n_parts == 1) break;
        float* to = parts + size_t(part) * kPart;
        if (dim == 0) to[0] = share.max, to[1] = share.sum;
        for (int d = 0; d < Share<HEAD_DIM>::kDims; d++) to[2 + dim + d] = share.out[d];
    }
    if (n_parts > 1) {
        // The last block of the row to get here merges all parts, in order.
        __threadfence();
        __syncthreads();
        int32_t* arrivals = a.arrivals + size_t(kv_head) * gridDim.y + row;
        if (threadIdx.x == 0) is_last = atomicAdd(arrivals, 1) == min(int(gridDim.z), n_parts) - 1;
        __syncthreads();
        if (!is_last) return;
        __threadfence();
        share = {};
        for (int part = 0; part < n_parts; part++) {
            const float* from = parts + size_t(part) * kPart;
            float out[Share<HEAD_DIM>::kDims];
            for (int d = 0; d < Share<HEAD_DIM>::kDims; d++) out[d] = __ldcg(from + 2 + dim + d);
            share.merge(__ldcg(from), __ldcg(from + 1), out);
        }
        if (threadIdx.x == 0) *arrivals = 0;
    }
    if (head >= heads) return;
    bf16* out = a.out + (size_t(row) * a.shape.n_heads + kv_head * heads + head) * HEAD_DIM + dim;
    for (int d = 0; d < Share<HEAD_DIM>::kDims; d++)
        out[d] = __float2bfloat16_rn(share.out[d] / share.sum);
}

template <int HEAD_DIM>
void launch(const DecodeAttentionArgs& a, cudaStream_t stream) {
    static_assert(sizeof(WarpResults<HEAD_DIM>) <= kTileMemory);
    const int n_splits = std::clamp(kBlocksWanted / (a.shape.n_kv_heads * a.n), 1, kMaxParts);
    CUDA_CHECK(cudaFuncSetAttribute(few_kernel<HEAD_DIM>,
                                    cudaFuncAttributeMaxDynamicSharedMemorySize, kTileMemory));
    launch_dependent(few_kernel<HEAD_DIM>,
                     {dim3(a.shape.n_kv_heads, a.n, n_splits), kThreads, kTileMemory}, stream, a,
                     log2_scale(HEAD_DIM));
}

}  // namespace

bool can_attend_few() {
    int device = 0, n_bytes = 0;
    CUDA_CHECK(cudaGetDevice(&device));
    CUDA_CHECK(cudaDeviceGetAttribute(&n_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    return size_t(n_bytes) > kTileMemory;
}

void decode_attention_few(const DecodeAttentionArgs& a, cudaStream_t stream) {
    if (a.shape.head_dim == 64)
        launch<64>(a, stream);
    else
        launch<128>(a, stream);
}

}  // namespace qwend
