#include "gpu/forward.h"

#include <algorithm>

#include "gpu/attention/shared_prefix.h"
#include "gpu/linear/glu_wgmma_sm90.h"
#include "gpu/linear/unpack_weights.h"

namespace qwend {

namespace {

HeadShape head_shape(const ModelConfig& c) {
    return {c.n_heads, c.n_kv_heads, c.head_dim};
}

size_t wide_width(const ModelConfig& c) {
    return std::max(size_t(head_shape(c).qkv_dim()), 2 * size_t(c.intermediate_size));
}

size_t inner_width(const ModelConfig& c) {
    return std::max(size_t(head_shape(c).q_dim()), size_t(c.intermediate_size));
}

/// What decode_attention_split_kv_sm90 wants for its splits.
size_t partial_floats(const ModelConfig& c) {
    return size_t(kMaxSplitKvRows * c.n_kv_heads) * kMaxKvSplits * kMaxGroup *
           (size_t(c.head_dim) + 2);
}

/// What decode_attention_shared_prefix leaves.
size_t shared_floats(const ModelConfig& c, int max_samples) {
    const SharedPrefixPlanner planner(head_shape(c));
    return shared_partial_floats(planner.most_items(Forward::padded_rows(max_samples)),
                                 head_shape(c));
}

/// Elements of the largest quantised matrix of a layer; 0: there is none.
size_t largest_packed(const DeviceWeights& weights) {
    size_t largest = 0;
    auto see = [&](const LinearWeights& w) {
        if (w.kind != LinearKind::dense) largest = std::max(largest, size_t(w.n) * size_t(w.k));
    };
    for (const DeviceLayer& l : weights.layers()) see(l.qkv), see(l.o), see(l.gate_up), see(l.down);
    return largest;
}

QuantizedUse quantized_use(const DeviceWeights& weights) {
    QuantizedUse use;
    for (const DeviceLayer& l : weights.layers())
        use.see(l.qkv), use.see(l.o), use.see(l.gate_up), use.see(l.down);
    use.see(weights.lm_head());
    return use;
}

}  // namespace

size_t Forward::kv_bytes_per_token(const ModelConfig& c) {
    return size_t(c.n_layers) * 2 * size_t(head_shape(c).kv_dim()) * sizeof(bf16);
}

int Forward::padded_rows(int n) {
    const int step = n <= 8 ? 1 : n <= 64 ? 16 : n <= 512 ? 64 : n <= 1024 ? 128 : 256;
    return (n + step - 1) / step * step;
}

size_t Forward::activation_bytes(const ModelConfig& c, int max_tokens, int max_samples) {
    const size_t token =
        size_t(c.hidden_size) * (sizeof(float) + sizeof(bf16)) +
        size_t(c.hidden_size / 8 + 1) * sizeof(float) + size_t(c.head_dim) * sizeof(float) +
        (wide_width(c) + size_t(head_shape(c).q_dim()) + inner_width(c)) * sizeof(bf16);
    return size_t(padded_rows(max_tokens)) * token +
           size_t(padded_rows(max_samples)) * 2 * size_t(c.vocab_size) * sizeof(float) +
           (partial_floats(c) + shared_floats(c, max_samples)) * sizeof(float) +
           (c.quantization ? wide_width(c) * size_t(c.hidden_size) * sizeof(bf16) : 0);
}

Forward::Forward(const Device& device, const ModelConfig& c, const DeviceWeights& weights,
                 int max_tokens, int max_samples, int n_blocks, bool deterministic,
                 JoinPartialSums join)
    : device_(device),
      config_(c),
      weights_(weights),
      shape_(head_shape(c)),
      max_logit_rows_(padded_rows(max_samples)),
      choice_(device, c.hidden_size, deterministic, quantized_use(weights)),
      fuses_o_proj_(!join && weights.layers()[0].o.kind == LinearKind::dense &&
                    can_fuse_o_proj(device, shape_, c.hidden_size)),
      deterministic_(deterministic),
      join_(std::move(join)),
      n_blocks_(n_blocks),
      cache_elements_(size_t(n_blocks) * kBlockTokens * size_t(shape_.kv_dim())) {
    const RopeFrequencies rope = rope_frequencies(c);
    rope_scale_ = rope.scale;
    inv_freq_ = DeviceBuffer<float>(rope.inv_freq.size());
    CUDA_CHECK(cudaMemcpy(inv_freq_.get(), rope.inv_freq.data(), inv_freq_.n_bytes(),
                          cudaMemcpyHostToDevice));
    cache_ = DeviceBuffer<bf16>(2 * size_t(c.n_layers) * cache_elements_);
    // Slots nobody wrote are multiplied by a weight of zero, which NaN would survive.
    CUDA_CHECK(cudaMemset(cache_.get(), 0, cache_.n_bytes()));
    const size_t n = size_t(padded_rows(max_tokens));
    hidden_ = DeviceBuffer<float>(n * size_t(c.hidden_size));
    rotations_ = DeviceBuffer<float2>(n * size_t(c.head_dim / 2));
    normed_ = DeviceBuffer<bf16>(n * size_t(c.hidden_size));
    squares_ = DeviceBuffer<float>(n * size_t(c.hidden_size / 8));
    inverse_rms_ = DeviceBuffer<float>(n);
    wide_ = DeviceBuffer<bf16>(n * wide_width(c));
    queries_ = DeviceBuffer<bf16>(n * size_t(shape_.q_dim()));
    inner_ = DeviceBuffer<bf16>(n * inner_width(c));
    unpacked_ = DeviceBuffer<bf16>(largest_packed(weights));
    for (DeviceBuffer<float>& sums : partial_sums_)
        if (join_) sums = DeviceBuffer<float>(hidden_.size());
    partials_ = DeviceBuffer<float>(partial_floats(c));
    shared_partials_ = DeviceBuffer<float>(shared_floats(c, max_samples));
    arrivals_ = DeviceBuffer<int32_t>(size_t(kMaxSplitKvRows * c.n_kv_heads * kMaxGroup));
    CUDA_CHECK(cudaMemset(arrivals_.get(), 0, arrivals_.n_bytes()));
    logits_ = DeviceBuffer<float>(size_t(max_logit_rows_) * size_t(c.vocab_size));
    // Without clusters the sampler has one block for a row, whose shared memory is too small for
    // it.
    if (!device.has_clusters()) sampler_scratch_ = DeviceBuffer<float>(logits_.size());
}

KvCache Forward::cache_of(int layer) const {
    bf16* keys = cache_.get() + size_t(layer) * 2 * cache_elements_;
    return {keys, keys + cache_elements_};
}

/// As dense products take them, until the next call on the stream.
LinearWeights Forward::unpacked(const LinearWeights& weights, const Stream& stream) {
    if (weights.kind == LinearKind::dense) return weights;
    unpack_weights(packed(weights), unpacked_.get(), stream);
    return DenseWeights{unpacked_.get(), weights.n, weights.k};
}

DecodeAttentionArgs Forward::decode_args(const StepInputs& in, const ForwardState& state,
                                         int layer) const {
    return {queries_.get(),     cache_of(layer),   in.contexts, in.lanes,
            state.block_tables, state.table_width, in.n_decode, shape_,
            partials_.get(),    arrivals_.get(),   inner_.get()};
}

void Forward::attend(const StepInputs& in, const ForwardState& state, int layer,
                     const Stream& stream) {
    const DecodeAttentionArgs decode = decode_args(in, state, layer);
    if (in.n_decode > 0 && splits_kv(device_, in.n_tokens)) {
        decode_attention_split_kv_sm90(decode, stream);
    } else if (in.n_decode > 0 && in.shared.n_items > 0) {
        decode_attention_shared_prefix(decode, in.shared, shared_partials_.get(), stream);
        decode_attention_suffix(decode, in.shared, shared_partials_.get(), stream);
    } else if (in.n_decode > 0) {
        decode_attention_batched(decode, stream);
    }
    if (in.n_tiles > 0)
        prefill_attention(device_).attend(
            {queries_.get(), cache_of(layer), n_blocks_, in.tiles, state.block_tables,
             state.table_width, in.n_tiles, shape_, inner_.get(), config_.is_causal},
            stream);
}

/// out.hidden += inner · Wᵀ, over all ranks. With cuBLASLt nothing else of `out`.
void Forward::add_product(const LinearWeights& weights, ProductWay way, ResidualStream out, int n,
                          const Stream& stream) {
    const LinearKernels* fused = ProductChoice::fused(way, weights.kind);
    if (!join_) {
        if (fused) return fused->add(weights, inner_.get(), out, n, stream);
        return gemm_.run(unpacked(weights, stream), inner_.get(), out.hidden, GemmOutput::add_f32,
                         n, stream);
    }
    float* own = partial_sums_[std::exchange(turn_, 1 - turn_)].get();
    if (fused)
        fused->partial(weights, inner_.get(), own, n, stream);
    else
        gemm_.run(unpacked(weights, stream), inner_.get(), own, GemmOutput::f32, n, stream);
    add_partial_sums(join_(own, n, stream), out, fused ? fused->square_width : 0, n,
                     config_.hidden_size, stream);
}

void Forward::launch_fused_layer(const StepInputs& in, const ForwardState& state, int layer,
                                 ProductWay way, const Stream& stream) {
    const DeviceLayer& l = weights_.layers()[size_t(layer)];
    const bool is_last = layer + 1 == config_.n_layers;
    const float* next_norm =
        is_last ? weights_.final_norm() : weights_.layers()[size_t(layer) + 1].input_norm;
    const int n = in.n_tokens;
    auto products = [&](const LinearWeights& weights) -> const LinearKernels& {
        return *ProductChoice::fused(way, weights.kind);
    };
    const LinearInput normed{normed_.get(), squares_.get(), config_.rms_norm_eps};
    auto residual = [&](const float* norm) {
        return ResidualStream{hidden_.get(), norm, normed_.get(), squares_.get()};
    };
    products(l.qkv).qkv(
        {l.qkv,
         normed,
         {l.qkv_bias, rotations_.get(), in.slots, shape_, queries_.get(), cache_of(layer)}},
        n, stream);
    const ResidualStream attended = residual(l.post_attention_norm);
    if (in.one_short_row && fuses_o_proj_) {
        decode_attention_o_proj_14x64_sm90(decode_args(in, state, layer), l.o, attended, stream);
    } else {
        attend(in, state, layer, stream);
        add_product(l.o, way, attended, n, stream);
    }
    products(l.gate_up).gate_up(l.gate_up, normed, config_.activation, inner_.get(), n, stream);
    add_product(l.down, way, residual(next_norm), n, stream);
}

void Forward::launch_gemm_layer(const StepInputs& in, const ForwardState& state, int layer,
                                const Stream& stream) {
    const DeviceLayer& l = weights_.layers()[size_t(layer)];
    const float eps = config_.rms_norm_eps;
    const int n = in.n_tokens, width = config_.hidden_size;
    rmsnorm(hidden_.get(), nullptr, l.input_norm, eps, n, width, normed_.get(), stream);
    gemm_.run(unpacked(l.qkv, stream), normed_.get(), wide_.get(), GemmOutput::bf16, n, stream);
    rope_kv_write(wide_.get(), l.qkv_bias, rotations_.get(), in.slots, n, shape_, queries_.get(),
                  cache_of(layer), stream);
    attend(in, state, layer, stream);
    add_product(l.o, ProductWay::gemm, {hidden_.get(), nullptr, nullptr, nullptr}, n, stream);
    rmsnorm(hidden_.get(), nullptr, l.post_attention_norm, eps, n, width, normed_.get(), stream);
    if (choice_.gates_at_once(n)) {
        glu_wgmma_sm90(unpacked(l.gate_up, stream), normed_.get(), config_.activation, inner_.get(),
                       n, stream);
    } else {
        gemm_.run(unpacked(l.gate_up, stream), normed_.get(), wide_.get(), GemmOutput::bf16, n,
                  stream);
        glu(config_.activation, wide_.get(), n, config_.intermediate_size, inner_.get(), stream);
    }
    add_product(l.down, ProductWay::gemm, {hidden_.get(), nullptr, nullptr, nullptr}, n, stream);
}

void Forward::launch_head(const StepInputs& in, const Stream& stream) {
    if (in.n_sampled == 0) return;
    const LinearWeights& head = weights_.lm_head();
    const float eps = config_.rms_norm_eps;
    const int n = in.n_sampled;
    const int32_t* rows = in.samples_in_order ? nullptr : in.sampled_tokens;
    const ProductWay way = choice_.of_head(head.kind, n);
    const LinearKernels* p = ProductChoice::fused(way, head.kind);
    const bool has_squares = p && way == choice_.of_layers(in.n_tokens) && (!rows || p->gathers);
    // Norm by norm wherever the rows come from, if bits are to be the same.
    if (has_squares && !deterministic_)
        return p->logits(head, {normed_.get(), squares_.get(), eps, rows}, logits_.get(), n,
                         stream);
    launch_logits(rows, n, stream);
}

/// Norm by norm: what the last layer left of squares is overwritten here, or was before.
void Forward::launch_logits(const int32_t* rows, int n, const Stream& stream) {
    const LinearWeights& head = weights_.lm_head();
    const float eps = config_.rms_norm_eps;
    rmsnorm(hidden_.get(), rows, weights_.final_norm(), eps, n, config_.hidden_size, normed_.get(),
            stream);
    if (const LinearKernels* p = ProductChoice::fused(choice_.of_head(head.kind, n), head.kind))
        p->logits(head, {normed_.get(), nullptr, eps}, logits_.get(), n, stream);
    else
        gemm_.run(head, normed_.get(), logits_.get(), GemmOutput::f32, n, stream);
}

void Forward::launch_vectors(const StepInputs& in, float* out, const Stream& stream) {
    pool({hidden_.get(), weights_.final_norm(), config_.rms_norm_eps, config_.hidden_size,
          in.pooled, in.n_vectors, inverse_rms_.get(), out},
         stream);
}

void Forward::launch(const StepInputs& in, const ForwardState& state, const Stream& stream) {
    const ProductWay way = choice_.of_layers(in.n_tokens);
    const LinearKernels* fused = ProductChoice::fused(way, weights_.layers()[0].qkv.kind);
    embed({in.updates, in.n_updates, state.block_tables, in.tokens, in.positions, state.last_tokens,
           weights_.embedding(), inv_freq_.get(), rope_scale_, in.n_tokens, config_.hidden_size,
           config_.head_dim, hidden_.get(), rotations_.get(), weights_.layers()[0].input_norm,
           fused ? normed_.get() : nullptr, squares_.get(), fused ? fused->square_width : 0},
          stream);
    for (int layer = 0; layer < config_.n_layers; layer++) {
        if (fused)
            launch_fused_layer(in, state, layer, way, stream);
        else
            launch_gemm_layer(in, state, layer, stream);
    }
    launch_head(in, stream);
}

}  // namespace qwend
