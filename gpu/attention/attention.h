#pragma once

#include "gpu/cuda.h"
#include "gpu/tensors.h"

namespace qwend {

/// Attention over the paged KV cache, and the write to it. Heads are grouped (GQA): the query heads
/// of a KV head, at most kMaxGroup, share what is read of the cache.
///
///   rope_kv_write                        RoPE, and keys and values to the cache
///   decode_attention_split_kv_sm90       a few rows of one query each
///   decode_attention_o_proj_14x64_sm90   one such row, and the output projection
///   decode_attention_batched             more such rows; any number on sm_80
///   decode_attention_shared_prefix       beginnings that several of these have in common
///   kPrefillWgmmaSm90                    runs of queries
///   kPrefillMma                          the same on sm_80
///
/// Each is in the file of its name, less "attention_".
///
/// Launchers neither synchronise nor allocate, and throw BackendFault for a shape that no kernel is
/// made for. Rows beyond those in use (padding of a captured batch size) carry slot -1 and context
/// 0, and write nothing that anybody reads.

inline constexpr int kMaxGroup = 8;  // query heads of a KV head: the columns of an mma

/// Whether there are kernels for it.
inline bool is_attention_shape(HeadShape s) {
    return (s.head_dim == 64 || s.head_dim == 128) && s.n_heads % s.n_kv_heads == 0 &&
           s.group() <= kMaxGroup;
}

/// Adds the bias to qkv (n, qkv_dim) and rotates queries and keys; queries go to `queries` (n,
/// q_dim), keys and values to their slots. Source: Su et al. 2021, arXiv:2104.09864 (RoPE).
void rope_kv_write(const bf16* qkv, const float* bias, const float2* rotations,
                   const int32_t* slots, int n, HeadShape shape, bf16* queries, KvCache cache,
                   const Stream& stream);

// --------------------------------------------------------------------------------------- decode

/// Of a context the last so many tokens may be written by the kernel before: a row's own, and of
/// the same sequence those whose rows are in the same step. What is older is read ahead of that
/// kernel.
inline constexpr int kMaxNewTokens = 8;

/// How many leading tiles of kBlockTokens keys are so old.
__host__ __device__ inline int old_tiles(int n_context) {
    return n_context < kMaxNewTokens ? 0 : (n_context - kMaxNewTokens) / kBlockTokens;
}
__host__ __device__ inline bool is_old_tile(int tile, int n_context) {
    return (tile + 1) * kBlockTokens <= n_context - kMaxNewTokens;
}

/// Attention of rows that have one query each; up to kMaxNewTokens neighbours may be of one
/// sequence.
struct DecodeAttentionArgs {
    const bf16* queries;  // (n, q_dim)
    KvCache cache;
    const int32_t* contexts;      // (n) tokens in the cache, this one included; 0: padding
    const int32_t* lanes;         // (n) row of block_tables
    const int32_t* block_tables;  // (lanes, table_width) of block numbers
    int table_width;
    int n;
    HeadShape shape;
    float* partials;    // (n, n_kv_heads, kMaxGroup, kMaxKvSplits, head_dim + 2) f32
    int32_t* arrivals;  // (n, n_kv_heads, kMaxGroup) zero between launches
    bf16* out;          // (n, q_dim)
};

inline constexpr int kMaxSplitKvRows = 16;  // up to which split-KV is the faster kernel
/// Whether a step of so many rows, padding included, takes it.
inline bool splits_kv(const Device& device, int n_rows) {
    return device.has_clusters() && n_rows <= kMaxSplitKvRows;
}
inline constexpr int kKvSplitTokens = 4096;  // a context up to this long is one split
inline constexpr int kMaxKvSplits = 16;      // that a longer one is cut into

/// A row's context is spread over a cluster of blocks, and a long one cut into splits, a cluster
/// each. Both depend on its length alone and partial results are merged in order, so a row's bits
/// do not depend on the rows beside it. Where Device::has_clusters().
void decode_attention_split_kv_sm90(const DecodeAttentionArgs& args, const Stream& stream);

/// A block for each row and KV head. How many rows there are decides how a context is cut among the
/// warps of its block, and so a row's low bits.
void decode_attention_batched(const DecodeAttentionArgs& args, const Stream& stream);

/// Rows of an item, at most.
__host__ __device__ inline int shared_prefix_rows(HeadShape s) {
    return (s.head_dim == 64 ? 128 : 64) / s.group();
}

/// Tiles that rows have in common: for the blocks of one place in the grid, one for each KV head.
struct SharedPrefixItem {
    int32_t first_row, n_rows;  // in SharedPrefixes::row_order; none: padding
    int32_t lane;               // of one of them, whose table has the tiles
    int32_t tile_begin, tile_end;
};
/// What a row shares with others.
struct RowPrefix {
    int32_t n_tiles;        // 0: nothing
    int32_t first_partial;  // its results are this one and every shared_prefix_rows()-th from it,
    int32_t n_partials;     // so many
};
/// Which rows share what, all in device memory; see SharedPrefixPlanner.
struct SharedPrefixes {
    const int32_t* row_order;       // (n)
    const RowPrefix* of_row;        // (n)
    const SharedPrefixItem* items;  // (n_items)
    int n_items;                    // 0: nothing is shared
};
/// Of partial results, (n_items, shared_prefix_rows(), n_kv_heads, kMaxGroup, head_dim + 2) f32.
inline size_t shared_partial_floats(int n_items, HeadShape s) {
    return size_t(n_items * shared_prefix_rows(s)) *
           size_t(s.n_kv_heads * kMaxGroup * (s.head_dim + 2));
}

/// Attention of rows to what they share with others, of which it leaves partial results in
/// `partials`; args.partials and args.out are left alone.
void decode_attention_shared_prefix(const DecodeAttentionArgs& args, const SharedPrefixes& shared,
                                    float* partials, const Stream& stream);
/// decode_attention_batched of what is left of each row, merged with these.
void decode_attention_suffix(const DecodeAttentionArgs& args, const SharedPrefixes& shared,
                             const float* partials, const Stream& stream);

/// decode_attention_split_kv_sm90 and the output projection, kSkinnyMma.add, in one kernel and to
/// the same bits. For 14 heads of 64, two KV heads and a hidden size of 896 (Qwen2 and Qwen2.5
/// 0.5B). Faster for one row whose context is at most kKvSplitTokens: here no split has a cluster
/// of its own.
void decode_attention_o_proj_14x64_sm90(const DecodeAttentionArgs& attention, LinearWeights weights,
                                        ResidualStream out, const Stream& stream);
/// Whether it is made for that shape and the device, which must run clusters of 16 blocks.
bool can_fuse_o_proj(const Device& device, HeadShape shape, int hidden_size);

// -------------------------------------------------------------------------------------- prefill

/// A tile: queries of one sequence that follow each other, for one block of the grid.
struct PrefillTile {
    int32_t query_begin;  // row of `queries`
    int32_t n_query;      // times the group at most PrefillTileRows::most; 0: padding
    int32_t n_keys;       // that the last of them sees; each before it one less, if causal
    int32_t lane;
};
/// Attention of tiles of queries over their context. A row's result does not depend on how a prompt
/// is cut into tiles. Source: Dao 2023, arXiv:2307.08691 (FlashAttention-2).
struct PrefillAttentionArgs {
    const bf16* queries;  // (n, q_dim)
    KvCache cache;
    int n_blocks;                 // of the cache
    const PrefillTile* tiles;     // (n_tiles)
    const int32_t* block_tables;  // (lanes, table_width)
    int table_width;
    int n_tiles;
    HeadShape shape;
    bf16* out;              // (n, q_dim)
    bool is_causal = true;  // a query sees the keys up to its own; else all of its tile's n_keys
};
/// How many rows a block takes, `step` or a multiple of it; a row is a pair of a query and a head
/// of its group.
struct PrefillTileRows {
    int step, most;
};
/// One of the two kernels.
struct PrefillAttention {
    PrefillTileRows (*tile_rows)(int head_dim);
    void (*attend)(const PrefillAttentionArgs& args, const Stream& stream);
};
extern const PrefillAttention kPrefillMma, kPrefillWgmmaSm90;  // the second: has_wgmma
/// The faster one that the device has.
inline const PrefillAttention& prefill_attention(const Device& device) {
    return device.has_wgmma ? kPrefillWgmmaSm90 : kPrefillMma;
}

}  // namespace qwend
