#pragma once

#include "gpu/cuda.h"
#include "gpu/tensors.h"

namespace qwend {

/// The launchers of attention over the paged KV cache. Nothing here synchronises; every launch is
/// checked. Rows beyond those in use (padding of a captured batch size) carry slot -1 and context
/// 0, and write nothing that anybody reads.

inline constexpr int kMaxGroup = 8;       // query heads of a KV head: half such a tile
inline constexpr int kMaxFewRows = 16;    // that decode_attention_few is the faster one for
inline constexpr int kPartTokens = 4096;  // a context up to this long is not cut
inline constexpr int kMaxParts = 16;      // that a longer one is cut into

/// Adds the bias to qkv (n, qkv_dim) and rotates; queries to `queries` (n, q_dim), keys and values
/// to their slots. Source: Su et al. 2021, arXiv:2104.09864.
void rope_kv(const bf16* qkv, const float* bias, const float2* rotations, const int32_t* slots,
             int n, HeadShape shape, bf16* queries, KvCache cache, cudaStream_t stream);

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

/// decode_attention_few and the add_rows of its output in one kernel, to the same bits. Faster for
/// one row whose context is at most kPartTokens: longer ones are not shared by clusters here.
void attend_and_add(const DecodeAttentionArgs& attention, LinearWeights weights, ResidualStream out,
                    cudaStream_t stream);
/// Whether it is made for that shape, 14 heads of 64 and two KV heads, and the current device.
bool can_attend_and_add(HeadShape shape, int width);

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
extern const PrefillAttention kWarpPrefill, kWarpgroupPrefill;  // the second: has_wgmma()
/// The current device's.
inline const PrefillAttention& prefill_attention() {
    return has_wgmma() ? kWarpgroupPrefill : kWarpPrefill;
}

}  // namespace qwend
