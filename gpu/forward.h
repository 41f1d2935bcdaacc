#pragma once

#include <functional>

#include "gpu/attention/attention.h"
#include "gpu/device_weights.h"
#include "gpu/elementwise/elementwise.h"
#include "gpu/linear/choice.h"
#include "gpu/linear/gemm.h"
#include "gpu/linear/linear.h"
#include "gpu/sampling/sample.h"
#include "model/rope.h"

namespace qwend {

/// What one step works on, in device memory. Rows of decode come first.
struct StepInputs {
    int n_tokens;           // rows of the matrices, padding included
    int n_decode;           // leading rows that are queries of decode attention
    int n_tiles;            // of prefill
    int n_sampled;          // rows that are sampled
    int n_scored;           // rows whose next token is given, in steps that are not captured
    int n_vectors;          // that are made of rows, likewise
    bool samples_in_order;  // row i is token i: no gathering
    bool one_short_row;     // a single row, of decode, whose context is at most kKvSplitTokens
    int32_t *tokens, *positions, *slots;         // (n_tokens)
    int32_t *lanes, *contexts;                   // (n_decode)
    SharedPrefixes shared;                       // of them, where decode attention is batched
    int32_t *sampled_tokens, *sampled_lanes;     // (n_sampled) row of the matrices; lane or -1
    int32_t *sampled_outputs, *sampled_guesses;  // (n_sampled) as SampleRows has them
    int32_t *scored_tokens, *targets;            // (n_scored) the same row; the token given or -1
    int32_t* n_logprobs;                         // (n_scored) to report beside it
    PooledRows* pooled;                          // (n_vectors)
    PrefillTile* tiles;                          // (n_tiles)
    const int32_t* n_updates;                    // of the block tables
    const TableUpdate* updates;
};

/// What outlives a step.
struct ForwardState {
    int32_t* block_tables;  // (lanes, table_width)
    int table_width;
    int32_t* last_tokens;  // (lanes)
};

/// What joins the ranks of a model, called after a product whose sums over its columns are only
/// partial. `own` (n_rows, hidden) f32 is what this rank's part of it will have come to when what
/// is on the stream is done; returns where to find that of all ranks from then on, in their order.
/// Ranks call it in the same order. `own` is one of two buffers by turns: it is written again after
/// the next call but one, so a rank may read another's until its own next call.
using JoinPartialSums =
    std::function<PartialSums(const float* own, int n_rows, const Stream& stream)>;

/// The transformer on the device: activations, the KV cache, and the order of the kernels. Which
/// kernels a step takes follows from its number of rows (ProductChoice):
///
///   up to kSkinnyRows         kSkinnyMma: norms, epilogues and products fused
///   up to max_wgmma_rows()    kWgmmaSm90: the same, on sm_90
///   more                      cuBLASLt, and norms, RoPE and SwiGLU as kernels of their own; of
///                             many rows glu_wgmma_sm90 for gates, ups and SwiGLU
///
/// and decode attention is split_kv_sm90 up to kMaxSplitKvRows, then batched, behind
/// shared_prefix where StepInputs says so.
///
/// Rows of a decode step of up to kSkinnyRows have the same bits whatever rows are beside them, on
/// sm_90. Otherwise the number of rows may change the low bits: it chooses the products, cuBLASLt's
/// order of additions, and how decode attention cuts a context. With `deterministic` all rows take
/// one way, at some cost.
class Forward {
  public:
    /// `n_blocks` KV blocks. `join`: the weights, and `config`, are a shard, and what their o and
    /// down give is partial; null: they are whole. Throws BackendFault.
    Forward(const Device& device, const ModelConfig& config, const DeviceWeights& weights,
            int max_tokens, int max_samples, int n_blocks, bool deterministic,
            JoinPartialSums join = nullptr);

    /// Launches a step up to the logits of the sampled rows.
    void launch(const StepInputs& in, const ForwardState& state, const Stream& stream);
    /// The logits of other rows of the step just launched, in place of those there are: once these
    /// were used. `rows`: (n) in device memory, n <= max_logit_rows().
    void launch_logits(const int32_t* rows, int n, const Stream& stream);
    int max_logit_rows() const { return max_logit_rows_; }
    /// The vectors of the step just launched, to `out` (n_vectors, hidden) f32.
    void launch_vectors(const StepInputs& in, float* out, const Stream& stream);
    float* logits() const { return logits_.get(); }  // (n_sampled, vocab) f32
    float* sampler_scratch() const { return sampler_scratch_.get(); }

    static size_t kv_bytes_per_token(const ModelConfig& config);
    /// Device memory besides weights and KV cache, where the weights are whole.
    static size_t activation_bytes(const ModelConfig& config, int max_tokens, int max_samples);
    /// The number of rows a step of n tokens is padded to.
    static int padded_rows(int n);

  private:
    KvCache cache_of(int layer) const;
    LinearWeights unpacked(const LinearWeights& weights, const Stream& stream);
    DecodeAttentionArgs decode_args(const StepInputs& in, const ForwardState& state,
                                    int layer) const;
    void attend(const StepInputs& in, const ForwardState& state, int layer, const Stream& stream);
    void add_product(const LinearWeights& weights, ProductWay way, ResidualStream out, int n,
                     const Stream& stream);
    void launch_fused_layer(const StepInputs& in, const ForwardState& state, int layer,
                            ProductWay way, const Stream& stream);
    void launch_gemm_layer(const StepInputs& in, const ForwardState& state, int layer,
                           const Stream& stream);
    void launch_head(const StepInputs& in, const Stream& stream);

    const Device device_;
    const ModelConfig& config_;
    const DeviceWeights& weights_;
    HeadShape shape_;
    int max_logit_rows_;
    ProductChoice choice_;
    bool fuses_o_proj_, deterministic_;
    JoinPartialSums join_;
    int n_blocks_;           // of the cache
    size_t cache_elements_;  // of keys, or values, of one layer
    Gemm gemm_;
    DeviceBuffer<float> inv_freq_;
    float rope_scale_;
    DeviceBuffer<bf16> cache_;

    DeviceBuffer<float> hidden_;           // (tokens, hidden): the residual stream
    DeviceBuffer<float2> rotations_;       // (tokens, head_dim / 2)
    DeviceBuffer<bf16> normed_;            // (tokens, hidden)
    DeviceBuffer<float> squares_;          // (tokens, hidden / 8) or less; see LinearInput
    DeviceBuffer<float> inverse_rms_;      // (tokens) see PoolArgs
    DeviceBuffer<bf16> wide_;              // (tokens, qkv_dim or 2 * intermediate)
    DeviceBuffer<bf16> queries_;           // (tokens, q_dim)
    DeviceBuffer<bf16> inner_;             // (tokens, q_dim or intermediate)
    DeviceBuffer<bf16> unpacked_;          // (n, k) of one quantised matrix
    DeviceBuffer<float> partial_sums_[2];  // (tokens, hidden), by turns; see JoinPartialSums
    int turn_ = 0;                         // a step has an even number of them
    DeviceBuffer<float> partials_, shared_partials_;
    DeviceBuffer<int32_t> arrivals_;
    DeviceBuffer<float> logits_;
    DeviceBuffer<float> sampler_scratch_;
};

}  // namespace qwend
