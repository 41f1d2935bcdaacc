#pragma once

#include <span>
#include <vector>

#include "model/backend.h"
#include "model/bf16.h"

namespace qwend {

/// Keys and values of one layer for the whole pool, bf16: halves the traffic of f32, and is what
/// the published models are run with. Keys lie transposed in groups of 16 slots, so that scores of
/// neighbouring keys are computed side by side without moving anything.
struct KvLayer {
    static constexpr int kGroup = 16;

    bf16_t* keys;    // (n_slots / 16, n_kv_heads, head_dim, 16)
    bf16_t* values;  // (n_slots, n_kv_heads, head_dim)
    int n_kv_heads;
    int head_dim;

    bf16_t* key_group(size_t slot, int kv_head) const {
        return keys + (slot / kGroup * n_kv_heads + kv_head) * head_dim * kGroup;
    }
    bf16_t* value(size_t slot, int kv_head) const {
        return values + (slot * n_kv_heads + kv_head) * head_dim;
    }
    /// Stores one token. key, value: (n_kv_heads * head_dim) f32, rounded to bf16.
    void write(size_t slot, const float* key, const float* value) const;
};

struct AttentionShape {
    int n_heads;
    int n_kv_heads;
    int head_dim;    // a multiple of 16
    int block_size;  // tokens, a multiple of 16
    bool is_causal = true;
};

/// Grouped-query attention of a flat batch over the paged cache, which already holds the batch's
/// own keys and values: of each token to those up to it or, where it is not causal, to all of its
/// sequence. Long contexts are cut at fixed positions and the parts merged in order, so that a
/// row's result depends on nothing but its own sequence, however it is batched. Source: Dao et al.
/// 2022, arXiv:2205.14135 (online softmax); Ainslie et al. 2023, arXiv:2305.13245 (grouped
/// queries).
class CpuAttention {
  public:
    explicit CpuAttention(AttentionShape shape) : shape_(shape) {}

    /// queries, out: (n_tokens, n_heads * head_dim) f32. All threads take part.
    void run(const Batch& batch, const KvLayer& kv, const float* queries, float* out);

  private:
    struct Item {  // one tile of queries, one KV head, one part of the context
        const BatchSequence* sequence;
        int kv_head, query_begin, n_query;  // queries as tokens of the batch
        int context_begin, context_end;
        size_t partial_begin;  // row of the tile's first (query, head) in partials_
    };
    void plan(const Batch& batch);
    void load_tile(const Item& item, const Batch& batch, const KvLayer& kv, int begin, int n_keys,
                   float* keys, float* values) const;
    void run_item(const Batch& batch, const KvLayer& kv, const Item& item, const float* queries);
    void merge(float* out);
    size_t partial_stride() const { return size_t(shape_.head_dim) + 2; }  // max, sum, values

    AttentionShape shape_;
    std::vector<Item> items_;
    std::vector<float> partials_;
};

}  // namespace qwend
