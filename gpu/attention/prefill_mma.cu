#include "gpu/attention/attention.h"
#include "gpu/attention/mma_fragments.cuh"
#include "gpu/launch.h"
#include "gpu/sm90/cp_async.cuh"
#include "gpu/sm90/dependent_launch.cuh"

namespace qwend {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kBlocks = 2;     // an SM, to hide what one waits for
constexpr int kStages = 3;     // steps in shared memory: one in use, the others on their way
constexpr int kStepTiles = 4;  // tiles between two rescalings of the output
constexpr int kStepKeys = kStepTiles * kBlockTokens;

/// Rows of a tile are the pairs (query, head of the group), so that all heads of a group share what
/// is read of the cache; a warp takes M_TILES * 16 of them. The larger head leaves registers for
/// one.
constexpr int m_tiles(int head_dim) {
    return head_dim == 64 ? 2 : 1;
}
constexpr int tile_rows(int head_dim) {
    return kWarps * 16 * m_tiles(head_dim);
}

/// Rows g (and g + 8) of queries for all of head_dim.
template <int HEAD_DIM>
struct QueryFragment {
    uint4 low[HEAD_DIM / 32], high[HEAD_DIM / 32];
};

/// scores[h] += queries · keys of half h.
template <int HEAD_DIM>
__device__ void score_tile(float (&scores)[2][4], const QueryFragment<HEAD_DIM>& q,
                           const KeyFragment<HEAD_DIM>& k) {
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++) {
            const uint4 key = k.half[h][b];
            mma(scores[h], q.low[b].x, q.high[b].x, q.low[b].y, q.high[b].y, key.x, key.y);
            mma(scores[h], q.low[b].z, q.high[b].z, q.low[b].w, q.high[b].w, key.z, key.w);
        }
}

/// The key, within its tile, of score column c (0 or 1 of the thread's) of half h.
__device__ int key_in_tile(int t, int h, int c) {
    return 4 * t + 2 * h + c;
}

/// The state of 16 rows: two rows a thread (g and g + 8).
template <int HEAD_DIM>
struct RowTile {
    QueryFragment<HEAD_DIM> q = {};
    int last_key[2];  // the row's own position; -1: no such row
    float max[2] = {-INFINITY, -INFINITY}, sum[2] = {};
    float out[HEAD_DIM / 8][4] = {};

    /// Takes kStepTiles tiles of scores in: masks, rescales, and leaves weights in `scores`.
    template <bool MASKED>
    __device__ void soften(float (&scores)[kStepTiles][2][4], int first_key, int t, float scale) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float step_max = -INFINITY;
#pragma unroll
            for (int i = 0; i < kStepTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        const int key = first_key + i * kBlockTokens + key_in_tile(t, h, c);
                        if (MASKED && key > last_key[r]) score = -INFINITY;
                        step_max = fmaxf(step_max, score);
                    }
            const float new_max = fmaxf(max[r], row_max(step_max) * scale);
            const float base = new_max == -INFINITY ? 0 : new_max;
            const float keep = exp2_flushed(max[r] - base);
            float added = 0;
#pragma unroll
            for (int i = 0; i < kStepTiles; i++)
#pragma unroll
                for (int h = 0; h < 2; h++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        float& score = scores[i][h][2 * r + c];
                        added += score = exp2_flushed(fmaf(score, scale, -base));
                    }
            sum[r] = sum[r] * keep + added;  // of this thread's keys; over the row at the end
            max[r] = new_max;
#pragma unroll
            for (int j = 0; j < HEAD_DIM / 8; j++) out[j][2 * r] *= keep, out[j][2 * r + 1] *= keep;
        }
    }

    __device__ void add_values(const float (&weights)[2][4],
                               const ValueFragment<HEAD_DIM>& values) {
        const uint32_t a0 = pack_bf16(weights[0][0], weights[0][1]);
        const uint32_t a1 = pack_bf16(weights[0][2], weights[0][3]);
        const uint32_t a2 = pack_bf16(weights[1][0], weights[1][1]);
        const uint32_t a3 = pack_bf16(weights[1][2], weights[1][3]);
#pragma unroll
        for (int j = 0; j < HEAD_DIM / 8; j++)
            mma(out[j], a0, a1, a2, a3, values.v[j].x, values.v[j].y);
    }
};

/// The keys and values of a step, shared by the warps. In rows of keys with an odd number the
/// halves of 128 bytes are swapped: eight threads that read two neighbouring rows then meet 32
/// different banks.
template <int HEAD_DIM>
struct Step {
    static constexpr int kElements = kBlockTokens * HEAD_DIM;  // of a tile
    bf16 keys[kStepTiles][kElements], values[kStepTiles][kElements];

    static constexpr int kCopyElements = kCpAsyncBytes / int(sizeof(bf16));
    static constexpr int kRowCopies = HEAD_DIM / kCopyElements;
    /// Where the copy of the elements from `column` on lies.
    __device__ static int key_offset(int row, int column) {
        return row * HEAD_DIM + ((column / kCopyElements) ^ (row % 2 * 4)) * kCopyElements;
    }

    /// By all threads of the block: tile i is block blocks[i] of the cache.
    __device__ void copy(const KvCache& cache, const int32_t (&blocks)[kStepTiles], int kv_head,
                         int n_kv_heads) {
#pragma unroll
        for (int i = 0; i < kStepTiles; i++) {
            const size_t from = (size_t(blocks[i]) * n_kv_heads + kv_head) * kElements;
#pragma unroll
            for (int at = threadIdx.x; at < kBlockTokens * kRowCopies; at += kThreads) {
                const int row = at / kRowCopies, column = at % kRowCopies * kCopyElements;
                cp_async(keys[i] + key_offset(row, column), cache.keys + from + at * kCopyElements);
                cp_async(values[i] + at * kCopyElements, cache.values + from + at * kCopyElements);
            }
        }
    }

    __device__ KeyFragment<HEAD_DIM> key_fragment(int tile, int g, int t) const {
        KeyFragment<HEAD_DIM> k;
        k.load_from([&](int row, int column) { return keys[tile] + key_offset(row, column); }, g,
                    t);
        return k;
    }
};

/// The rows of a warp: what they ask, and what becomes of it.
template <int HEAD_DIM>
class WarpRows {
  public:
    static constexpr int kMTiles = m_tiles(HEAD_DIM);

    __device__ WarpRows(const PrefillAttentionArgs& a, const PrefillTile& tile, int kv_head)
        : a_(a), tile_(tile), kv_head_(kv_head), n_rows_(tile.n_query * a.shape.group()) {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) load_row(m, r);
    }

    /// The keys that the warp's last row attends to; 0 if it has no rows.
    __device__ int n_keys() const {
        if (first_row_ >= n_rows_) return 0;
        const int last_row = min(first_row_ + 16 * kMTiles, n_rows_) - 1;
        return tile_.position + last_row / a_.shape.group() + 1;
    }

    __device__ void attend(const Step<HEAD_DIM>& step, int first_key, float scale) {
        float scores[kMTiles][kStepTiles][2][4] = {};
#pragma unroll
        for (int i = 0; i < kStepTiles; i++) {
            const KeyFragment<HEAD_DIM> k = step.key_fragment(i, g_, t_);
#pragma unroll
            for (int m = 0; m < kMTiles; m++) score_tile<HEAD_DIM>(scores[m][i], rows_[m].q, k);
        }
        // Up to the position of the warp's first query all rows attend to everything.
        const bool masked =
            first_key + kStepKeys - 1 > tile_.position + first_row_ / a_.shape.group();
        if (masked)
            soften<true>(scores, first_key, scale);
        else
            soften<false>(scores, first_key, scale);
#pragma unroll
        for (int i = 0; i < kStepTiles; i++) {
            ValueFragment<HEAD_DIM> v;
            v.load(step.values[i], g_, t_);
#pragma unroll
            for (int m = 0; m < kMTiles; m++) rows_[m].add_values(scores[m][i], v);
        }
    }

    __device__ void write() const {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float inverse = 1 / row_sum(rows_[m].sum[r]);
                if (row(m, r) >= n_rows_) continue;
                bf16* out = a_.out + head_of(row(m, r)) + 2 * t_;
#pragma unroll
                for (int j = 0; j < HEAD_DIM / 8; j++)
                    *reinterpret_cast<uint32_t*>(out + 8 * j) = pack_bf16(
                        rows_[m].out[j][2 * r] * inverse, rows_[m].out[j][2 * r + 1] * inverse);
            }
    }

  private:
    template <bool MASKED>
    __device__ void soften(float (&scores)[kMTiles][kStepTiles][2][4], int first_key, float scale) {
#pragma unroll
        for (int m = 0; m < kMTiles; m++)
            rows_[m].template soften<MASKED>(scores[m], first_key, t_, scale);
    }
    __device__ int row(int m, int r) const {
        return first_row_ + 16 * m + 8 * r + g_;
    }
    __device__ size_t head_of(int row) const {
        const int group = a_.shape.group();
        return (size_t(tile_.query_begin + row / group) * a_.shape.n_heads + kv_head_ * group +
                row % group) *
               HEAD_DIM;
    }
    __device__ void load_row(int m, int r) {
        const int row = this->row(m, r);
        rows_[m].last_key[r] = row < n_rows_ ? tile_.position + row / a_.shape.group() : -1;
        if (row >= n_rows_) return;
#pragma unroll
        for (int b = 0; b < HEAD_DIM / 32; b++) {
            const uint4 q =
                *reinterpret_cast<const uint4*>(a_.queries + head_of(row) + 32 * b + 8 * t_);
            if (r == 0)
                rows_[m].q.low[b] = q;
            else
                rows_[m].q.high[b] = q;
        }
    }

    const PrefillAttentionArgs& a_;
    PrefillTile tile_;
    int kv_head_, n_rows_;
    int first_row_ = int(threadIdx.x) / kWarp * 16 * kMTiles;
    int g_ = threadIdx.x % kWarp / 4, t_ = threadIdx.x % 4;
    RowTile<HEAD_DIM> rows_[kMTiles];
};

template <int HEAD_DIM>
__global__ void __launch_bounds__(kThreads, kBlocks)
    prefill_kernel(PrefillAttentionArgs a, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    auto* stages = reinterpret_cast<Step<HEAD_DIM>*>(memory);
    const PrefillTile tile = a.tiles[blockIdx.y];
    if (tile.n_query == 0) return wait_for_previous_kernel();
    const int kv_head = blockIdx.x;
    const int n_keys = tile.position + tile.n_query, n_steps = (n_keys + kStepKeys - 1) / kStepKeys;
    const int32_t* table = a.block_tables + size_t(tile.lane) * a.table_width;
    int32_t blocks[kStepTiles];  // of the step that is copied next
    auto find_blocks = [&](int step) {
#pragma unroll
        for (int i = 0; i < kStepTiles; i++)  // of a tile beyond the last key any will do
            blocks[i] = table[min(step * kStepKeys + i * kBlockTokens, n_keys - 1) / kBlockTokens];
    };
    auto copy = [&](int step) {
        if (step < n_steps)
            stages[step % kStages].copy(a.cache, blocks, kv_head, a.shape.n_kv_heads);
        cp_async_commit();
        find_blocks(step + 1);
    };
    find_blocks(0);
    wait_for_previous_kernel();
#pragma unroll
    for (int step = 0; step < kStages - 1; step++) copy(step);
    WarpRows<HEAD_DIM> rows(a, tile, kv_head);
    const int n_own = rows.n_keys();
    for (int step = 0; step < n_steps; step++) {
        cp_async_wait<kStages - 2>();
        __syncthreads();  // the step is there, and the one before is done with
        copy(step + kStages - 1);
        if (step * kStepKeys < n_own) rows.attend(stages[step % kStages], step * kStepKeys, scale);
    }
    if (n_own > 0) rows.write();
}

template <int HEAD_DIM>
void launch(const PrefillAttentionArgs& a, cudaStream_t stream) {
    constexpr size_t kSharedBytes = kStages * sizeof(Step<HEAD_DIM>);
    launch_dependent(prefill_kernel<HEAD_DIM>,
                     {dim3(a.shape.n_kv_heads, a.n_tiles), kThreads, kSharedBytes}, stream, a,
                     log2_scale(HEAD_DIM));
}

PrefillTileRows rows_of_tile(int head_dim) {
    return {tile_rows(head_dim), tile_rows(head_dim)};
}

void attend(const PrefillAttentionArgs& a, cudaStream_t stream) {
    if (a.shape.head_dim == 64)
        launch<64>(a, stream);
    else
        launch<128>(a, stream);
}

}  // namespace

const PrefillAttention kWarpPrefill{rows_of_tile, attend};

}  // namespace qwend
