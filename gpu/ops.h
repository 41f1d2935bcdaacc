#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "gpu/cuda.h"

namespace qwend {

/// The launchers of every kernel that is not a cuBLASLt product. All matrices are row-major and in
/// device memory, activations bf16 but for the residual stream, which stays f32. Nothing here
/// synchronises; every launch is checked. Rows beyond those in use (padding of a captured batch
/// size) carry slot -1 and context 0, and write nothing that anybody reads.

using bf16 = __nv_bfloat16;

inline constexpr int kBlockTokens = 16;   // of a KV block: a tile of the tensor cores
inline constexpr int kMaxGroup = 8;       // query heads of a KV head: half such a tile
inline constexpr int kMaxFewRows = 16;    // that decode_attention_few is the faster one for
inline constexpr int kPartTokens = 4096;  // a context up to this long is not cut
inline constexpr int kMaxParts = 16;      // that a longer one is cut into

struct HeadShape {
    int n_heads;
    int n_kv_heads;
    int head_dim;  // 64 or 128

    __host__ __device__ int q_dim() const { return n_heads * head_dim; }
    __host__ __device__ int kv_dim() const { return n_kv_heads * head_dim; }
    __host__ __device__ int qkv_dim() const { return q_dim() + 2 * kv_dim(); }
    __host__ __device__ int group() const { return n_heads / n_kv_heads; }
};

/// Keys and values of one layer. Values lie transposed within a block, so that both products of
/// attention read 8 or 16 contiguous bytes a thread.
struct KvCache {
    bf16* keys;    // (n_blocks, n_kv_heads, 16, head_dim)
    bf16* values;  // (n_blocks, n_kv_heads, head_dim, 16)
};

/// Begins a step: brings the block tables up to date, and makes hidden (n, width) f32 of rows of
/// `embedding` (vocab, width), where a token below 0 is the one last sampled in lane -1 - token.
/// rotations (n, head_dim / 2) = (cos, sin) of positions * inv_freq, times `rope_scale`.
struct TableUpdate {
    int32_t index;  // into block_tables
    int32_t block;
};
struct EmbedArgs {
    const TableUpdate* updates;  // (*n_updates)
    const int32_t* n_updates;    // in device memory: a captured graph takes any number
    int32_t* block_tables;
    const int32_t* tokens;       // (n)
    const int32_t* positions;    // (n)
    const int32_t* last_tokens;  // (lanes)
    const bf16* embedding;
    const float* inv_freq;  // (head_dim / 2)
    float rope_scale;
    int n, width, head_dim;
    float* hidden;
    float2* rotations;
    const float* norm;  // (width) the next three as RowStream of rows.h
    bf16* x;            // (n, width); null: not wanted
    float* squares;     // (n, width / square_width, rounded up)
    int square_width;   // 8 or 64
};
void embed(const EmbedArgs& args, cudaStream_t stream);

/// out (n, width) bf16 = rmsnorm of rows of x; row i is x[rows[i]], or x[i] where rows is null.
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
void rmsnorm(const float* x, const int32_t* rows, const float* weight, float eps, int n, int width,
             bf16* out, cudaStream_t stream);

/// Adds the bias to qkv (n, qkv_dim) and rotates; queries to `queries` (n, q_dim), keys and values
/// to their slots. Source: Su et al. 2021, arXiv:2104.09864.
void rope_kv(const bf16* qkv, const float* bias, const float2* rotations, const int32_t* slots,
             int n, HeadShape shape, bf16* queries, KvCache cache, cudaStream_t stream);

/// out (n, width) = silu(gate) * up, of gate_up (n, 2 * width), gate first.
void swiglu(const bf16* gate_up, int n, int width, bf16* out, cudaStream_t stream);

/// Attention of rows with one query each over their paged context (flash-decoding). Of a few rows a
/// context is spread over a cluster of blocks, and a long one cut into parts, a cluster each; both
/// depend on its length alone and are merged in order, so that a row's result depends on the row
/// alone. Source: Dao et al. 2023, "Flash-Decoding for long-context inference".
struct DecodeAttentionArgs {
    const bf16* queries;  // (n, q_dim)
    KvCache cache;
    const int32_t* contexts;      // (n) tokens in the cache, this one included; 0: padding
    const int32_t* lanes;         // (n) row of block_tables
    const int32_t* block_tables;  // (lanes, table_width)
    int table_width;
    int n;
    HeadShape shape;
    float* partials;    // (n, n_kv_heads, kMaxGroup, kMaxParts, head_dim + 2) f32
    int32_t* arrivals;  // (n, n_kv_heads, kMaxGroup) zero between launches
    bf16* out;          // (n, q_dim)
};
void decode_attention_few(const DecodeAttentionArgs& args, cudaStream_t stream);
/// Whether the current device has clusters of blocks.
bool can_attend_few();
/// The same for rows enough to keep the device busy with a block each, which is faster then; how
/// many they are decides how a context is cut.
void decode_attention_many(const DecodeAttentionArgs& args, cudaStream_t stream);

/// Causal attention of runs of queries (flash attention). Work comes as tiles of one run's queries.
/// A row's result does not depend on how the prompt is cut into runs.
/// Source: Dao 2023, arXiv:2307.08691.
struct PrefillTile {
    int32_t query_begin;  // row of `queries`
    int32_t n_query;      // times the group at most PrefillTileRows::most
    int32_t position;     // of the first query
    int32_t lane;
};
struct PrefillAttentionArgs {
    const bf16* queries;  // (n, q_dim)
    KvCache cache;
    int n_blocks;                 // of the cache
    const PrefillTile* tiles;     // (n_tiles)
    const int32_t* block_tables;  // (lanes, table_width)
    int table_width;
    int n_tiles;
    HeadShape shape;
    bf16* out;  // (n, q_dim)
};
/// Rows of a tile are the pairs of a query and a head of its group. A block takes `step` of them,
/// or a multiple, in one go.
struct PrefillTileRows {
    int step, most;
};
struct PrefillAttention {
    PrefillTileRows (*tile_rows)(int head_dim);
    void (*attend)(const PrefillAttentionArgs& args, cudaStream_t stream);
};
extern const PrefillAttention kWarpPrefill, kWarpgroupPrefill;  // the second: has_warpgroups()
/// The current device's.
inline const PrefillAttention& prefill_attention() {
    return has_warpgroups() ? kWarpgroupPrefill : kWarpPrefill;
}

}  // namespace qwend
