#include "model/cpu/cpu_backend.h"

#include <fmt/core.h>
#include <omp.h>

#include <algorithm>
#include <string>

#include "model/cpu/attention.h"
#include "model/cpu/glu.h"
#include "model/cpu/linear.h"
#include "model/cpu/ops.h"
#include "model/cpu/weights.h"
#include "model/error.h"
#include "model/sampler.h"

namespace qwend {

namespace {

/// Bytes of weights times tokens below which a step is over before a second thread has woken up.
constexpr size_t kParallelWork = size_t(1) << 30;
constexpr int kFairContext = 2048;  // tokens a sequence is expected to need, for the default pool

struct CpuLayer {
    std::vector<float> input_norm, post_attention_norm;  // (hidden)
    CpuLinear qkv;      // hidden → (n_heads + 2 * n_kv_heads) * head_dim
    CpuLinear o;        // n_heads * head_dim → hidden
    CpuLinear gate_up;  // hidden → 2 * intermediate
    CpuLinear down;     // intermediate → hidden
};

/// One token after which logits are wanted: for sample or score `index` of its sequence.
struct LogitsRow {
    const BatchSequence* sequence;
    int index;
    bool is_scored;

    int token() const {
        const BatchSequence& s = *sequence;
        return s.query_begin + index + (is_scored ? s.first_scored : s.n_query - s.n_samples());
    }
};

class CpuBackend final : public Backend {
  public:
    CpuBackend(const Checkpoint& checkpoint, const BackendOptions& options);

    const BackendInfo& info() const override { return info_; }
    void launch(const Batch& batch) override;  // computes: the CPU has nobody to leave it to
    void collect(StepResult& result) override { std::swap(result, result_); }

  private:
    void load_weights(const Checkpoint& checkpoint, const std::function<void(float)>& on_progress);
    KvLayer kv_layer(int layer) const;
    void embed(const Batch& batch);
    void layer_step(const Batch& batch, int layer);
    void split_qkv(const Batch& batch, const KvLayer& kv);
    void finish_rows(const Batch& batch);
    void compute_logits(std::span<const LogitsRow> rows);
    void pool(const Batch& batch);
    void pool_sequence(const Batch& batch, const BatchSequence& sequence, float* vectors);
    void norm_last(int token, float* out) const;
    SampledToken sample_row(const LogitsRow& row, std::span<float> logits) const;

    const ModelConfig config_;
    BackendInfo info_;
    int n_valid_tokens_;
    int n_threads_;
    std::vector<CpuLayer> layers_;
    std::vector<float> final_norm_;
    std::unique_ptr<CpuLinear> lm_head_;
    LazyMemory embedding_memory_, kv_memory_;
    TensorView embedding_;  // (vocab, hidden), as stored
    RopeFrequencies rope_frequencies_;
    CpuAttention attention_;
    LinearWorkspace linear_workspace_;

    // Activations of the step, f32: the residual stream keeps more than bf16's eight bits, which
    // costs nothing here and is why the logits stay closer to f32's than a bf16 model's own.
    std::vector<float> hidden_;     // (n_tokens, hidden)
    std::vector<float> normed_;     // (n_tokens, hidden)
    std::vector<float> wide_;       // (n_tokens, qkv or 2 * intermediate)
    std::vector<float> queries_;    // (n_tokens, n_heads * head_dim)
    std::vector<float> inner_;      // (n_tokens, attention output or intermediate)
    std::vector<float> cos_, sin_;  // (n_tokens, head_dim / 2)
    std::vector<float> logits_;     // (rows at once, vocab)
    StepResult result_;
};

std::string describe_cpu(int n_threads) {
    return fmt::format("CPU, {} thread{}, {}", n_threads, n_threads == 1 ? "" : "s",
                       CpuLinear::uses_bf16() ? "bf16" : "f32");
}

CpuBackend::CpuBackend(const Checkpoint& checkpoint, const BackendOptions& options)
    : config_(checkpoint.config),
      info_(plan_cpu_backend(checkpoint, options)),
      n_valid_tokens_(info_.n_vocab),
      rope_frequencies_(rope_frequencies(config_)),
      attention_({config_.n_heads, config_.n_kv_heads, config_.head_dim, options.block_size,
                  config_.is_causal}) {
    if (options.n_threads > 0) omp_set_num_threads(options.n_threads);
    n_threads_ = omp_get_max_threads();
    load_weights(checkpoint, options.on_progress);
    kv_memory_ =
        LazyMemory(size_t(info_.n_blocks) * size_t(info_.block_size) * info_.kv_bytes_per_token,
                   Pages::small, "the KV cache");
}

void CpuBackend::load_weights(const Checkpoint& checkpoint,
                              const std::function<void(float)>& on_progress) {
    const Weights& w = checkpoint.weights;
    TensorBuffer buffer(checkpoint.files);
    info_.weight_bytes = 0;  // the plan's becomes what it is
    auto vector = [&](const StoredTensor& tensor) {
        return tensor_to_float(buffer.read({&tensor})[0]);
    };
    auto linear = [&](std::initializer_list<const StoredLinear*> parts) {
        return load_linear(buffer, parts);
    };
    for (const LayerWeights& l : w.layers) {
        auto input_norm = vector(l.input_norm), post_attention_norm = vector(l.post_attention_norm);
        layers_.push_back({std::move(input_norm), std::move(post_attention_norm),
                           linear({&l.q, &l.k, &l.v}), linear({&l.o}), linear({&l.gate, &l.up}),
                           linear({&l.down})});
        const CpuLayer& layer = layers_.back();
        for (auto* matrix : {&layer.qkv, &layer.o, &layer.gate_up, &layer.down})
            info_.weight_bytes += matrix->weight_bytes();
        if (on_progress) on_progress(float(layers_.size()) / float(w.layers.size() + 1));
    }
    final_norm_ = vector(w.final_norm);
    if (!w.tied) lm_head_ = std::make_unique<CpuLinear>(linear({&w.lm_head}));
    TensorBuffer embedding(checkpoint.files);
    embedding_ = embedding.read({&w.embedding})[0];
    embedding_memory_ = embedding.take();
    if (w.tied && info_.samples)
        lm_head_ = std::make_unique<CpuLinear>(std::vector{embedding_}, std::vector<TensorView>{});
    info_.weight_bytes += lm_head_ ? lm_head_->weight_bytes() : 0;
    checkpoint.files.check_unchanged();
    if (on_progress) on_progress(1.0f);
}

KvLayer CpuBackend::kv_layer(int layer) const {
    const size_t n =
        size_t(info_.n_blocks) * info_.block_size * config_.n_kv_heads * size_t(config_.head_dim);
    bf16_t* begin = reinterpret_cast<bf16_t*>(kv_memory_.get()) + size_t(layer) * 2 * n;
    return {begin, begin + n, config_.n_kv_heads, config_.head_dim};
}

void CpuBackend::embed(const Batch& batch) {
    const int n_tokens = int(batch.tokens.size()), half = config_.head_dim / 2;
#pragma omp parallel for
    for (int t = 0; t < n_tokens; t++) {
        tensor_row_to_float(embedding_, batch.tokens[t],
                            hidden_.data() + size_t(t) * config_.hidden_size, config_.hidden_size);
        rope_angles(rope_frequencies_, batch.positions[t], cos_.data() + size_t(t) * half,
                    sin_.data() + size_t(t) * half);
    }
}

/// wide_ (q, k, v of each token) to queries_ and the cache, rotated.
void CpuBackend::split_qkv(const Batch& batch, const KvLayer& kv) {
    const int n_tokens = int(batch.tokens.size()), head_dim = config_.head_dim;
    const int q_dim = config_.n_heads * head_dim, kv_dim = config_.n_kv_heads * head_dim;
#pragma omp parallel for
    for (int t = 0; t < n_tokens; t++) {
        float* row = wide_.data() + size_t(t) * (q_dim + 2 * kv_dim);
        const float* cos = cos_.data() + size_t(t) * (head_dim / 2);
        const float* sin = sin_.data() + size_t(t) * (head_dim / 2);
        for (int head = 0; head < config_.n_heads + config_.n_kv_heads; head++)
            rope(row + head * head_dim, cos, sin, head_dim);
        std::copy(row, row + q_dim, queries_.data() + size_t(t) * q_dim);
        kv.write(size_t(batch.slots[t]), row + q_dim, row + q_dim + kv_dim);
    }
}

void CpuBackend::layer_step(const Batch& batch, int index) {
    const CpuLayer& layer = layers_[index];
    const int n_tokens = int(batch.tokens.size()), n = config_.hidden_size;
    const int inner = config_.intermediate_size;
    auto norm = [&](const std::vector<float>& weight) {
#pragma omp parallel for if (n_tokens > 4)
        for (int t = 0; t < n_tokens; t++)
            rmsnorm(hidden_.data() + size_t(t) * n, weight.data(), config_.rms_norm_eps, n,
                    normed_.data() + size_t(t) * n);
    };
    auto add_normed = [&] {
#pragma omp parallel for if (n_tokens > 4)
        for (int t = 0; t < n_tokens; t++)
            add(hidden_.data() + size_t(t) * n, normed_.data() + size_t(t) * n, n);
    };
    norm(layer.input_norm);
    layer.qkv.apply(linear_workspace_, normed_.data(), n_tokens, wide_.data());
    split_qkv(batch, kv_layer(index));
    attention_.run(batch, kv_layer(index), queries_.data(), inner_.data());
    layer.o.apply(linear_workspace_, inner_.data(), n_tokens, normed_.data());
    add_normed();

    norm(layer.post_attention_norm);
    layer.gate_up.apply(linear_workspace_, normed_.data(), n_tokens, wide_.data());
#pragma omp parallel for
    for (int t = 0; t < n_tokens; t++)
        glu(config_.activation, wide_.data() + size_t(t) * 2 * inner, inner,
            inner_.data() + size_t(t) * inner);
    layer.down.apply(linear_workspace_, inner_.data(), n_tokens, normed_.data());
    add_normed();
}

/// The head runs only for the rows that are sampled or scored, and for no more at once than there
/// are sequences, so that drafts and scores do not make the logits larger.
void CpuBackend::finish_rows(const Batch& batch) {
    std::vector<LogitsRow> rows;
    for (const BatchSequence& sequence : batch.sequences)
        for (int i = 0; i < sequence.n_samples(); i++) rows.push_back({&sequence, i, false});
    const size_t n_samples = rows.size(), n_most = size_t(info_.max_sequences);
    for (const BatchSequence& sequence : batch.sequences)
        for (int i = 0; i < sequence.n_scores(); i++) rows.push_back({&sequence, i, true});
    result_.samples.resize(n_samples);
    result_.scores.resize(rows.size() - n_samples);
    for (size_t begin = 0; begin < rows.size(); begin += n_most) {
        const auto some = std::span(rows).subspan(begin, std::min(n_most, rows.size() - begin));
        compute_logits(some);
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t i = 0; i < some.size(); i++) {
            const std::span<float> logits(logits_.data() + i * size_t(config_.vocab_size),
                                          size_t(n_valid_tokens_));
            const auto& [sequence, index, is_scored] = some[i];
            if (is_scored)
                result_.scores[begin + i - n_samples] =
                    score(logits, sequence->targets[size_t(index)], sequence->n_score_logprobs);
            else
                result_.samples[begin + i] = sample_row(some[i], logits);
        }
    }
}

void CpuBackend::norm_last(int token, float* out) const {
    rmsnorm(hidden_.data() + size_t(token) * size_t(config_.hidden_size), final_norm_.data(),
            config_.rms_norm_eps, config_.hidden_size, out);
}

void CpuBackend::compute_logits(std::span<const LogitsRow> rows) {
    const size_t n = size_t(config_.hidden_size);
    for (size_t i = 0; i < rows.size(); i++) norm_last(rows[i].token(), normed_.data() + i * n);
    logits_.resize(std::max(logits_.size(), rows.size() * size_t(config_.vocab_size)));
    lm_head_->apply(linear_workspace_, normed_.data(), int(rows.size()), logits_.data());
}

SampledToken CpuBackend::sample_row(const LogitsRow& row, std::span<float> logits) const {
    const auto& [sequence, index, is_scored] = row;
    const size_t n_output = sequence->output.size() - size_t(sequence->n_drafts - index);
    std::span<const uint32_t> mask;
    if (!sequence->masks.empty())
        if (const uint32_t* words = sequence->masks[size_t(index)].words)
            mask = std::span(words, mask_words(n_valid_tokens_));
    return sample(logits, *sequence->sampling, sequence->prompt, sequence->output.first(n_output),
                  mask);
}

/// A sequence is one thread's, which adds its tokens in their order.
void CpuBackend::pool(const Batch& batch) {
    size_t n_vectors = 0;
    for (const BatchSequence& sequence : batch.sequences) n_vectors += size_t(sequence.n_vectors());
    result_.vectors.resize(n_vectors * size_t(config_.hidden_size));
    if (n_vectors == 0) return;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < batch.sequences.size(); i++) {
        const BatchSequence& sequence = batch.sequences[i];
        pool_sequence(
            batch, sequence,
            result_.vectors.data() + size_t(sequence.vector_begin) * size_t(config_.hidden_size));
    }
}

void CpuBackend::pool_sequence(const Batch& batch, const BatchSequence& sequence, float* vectors) {
    const int n = config_.hidden_size, first = sequence.query_begin + sequence.first_pooled;
    for (int i = 0; i < sequence.n_pooled; i++) {
        const bool is_first = i == 0 || sequence.reduction == Reduction::each;
        float* row = normed_.data() + size_t(first + i) * size_t(n);
        norm_last(first + i, row);
        if (sequence.reduction == Reduction::weighted_sum)
            for (int d = 0; d < n; d++) row[d] *= float(batch.positions[size_t(first + i)] + 1);
        float* to =
            sequence.reduction == Reduction::each ? vectors + size_t(i) * size_t(n) : vectors;
        if (is_first)
            std::copy(row, row + n, to);
        else if (sequence.reduction == Reduction::max)
            for (int d = 0; d < n; d++) to[d] = std::max(to[d], row[d]);
        else
            add(to, row, n);
    }
}

void CpuBackend::launch(const Batch& batch) {
    check_capabilities(batch, info_);
    const size_t n_tokens = batch.tokens.size();
    const size_t q_dim = size_t(config_.n_heads) * config_.head_dim;
    const size_t kv_dim = size_t(config_.n_kv_heads) * config_.head_dim;
    auto grow = [&](std::vector<float>& v, size_t width) {
        v.resize(std::max(v.size(), n_tokens * width));
    };
    grow(hidden_, config_.hidden_size), grow(normed_, config_.hidden_size);
    grow(wide_, std::max(q_dim + 2 * kv_dim, 2 * size_t(config_.intermediate_size)));
    grow(queries_, q_dim), grow(inner_, std::max(q_dim, size_t(config_.intermediate_size)));
    grow(cos_, config_.head_dim / 2), grow(sin_, config_.head_dim / 2);
    // A decode step reads the weights once for a few tokens; four is where arithmetic takes over.
    const size_t work = info_.weight_bytes * std::max<size_t>(n_tokens, 4);
    omp_set_num_threads(work < kParallelWork ? 1 : n_threads_);
    embed(batch);
    for (int layer = 0; layer < config_.n_layers; layer++) layer_step(batch, layer);
    pool(batch);
    finish_rows(batch);
}

}  // namespace

BackendInfo plan_cpu_backend(const Checkpoint& checkpoint, const BackendOptions& options) {
    const ModelConfig& config = checkpoint.config;
    if (config.head_dim % KvLayer::kGroup != 0)
        throw LoadError(fmt::format("expected a head size that is a multiple of 16, found {}",
                                    config.head_dim));
    BackendInfo info;
    info.device = describe_cpu(options.n_threads > 0 ? options.n_threads : omp_get_max_threads());
    info.block_size = options.block_size;
    info.max_step_tokens = options.max_step_tokens;
    info.busy_step_tokens = options.busy_step_tokens;
    info.busy_step_seconds = options.busy_step_seconds;
    info.max_sequences = options.max_sequences;
    info.n_vocab = options.n_valid_tokens > 0 ? std::min(options.n_valid_tokens, config.vocab_size)
                                              : config.vocab_size;
    // In f32 the bits of a row depend on how many there are.
    if (CpuLinear::uses_bf16()) info.max_samples = info.max_draft_rows = options.max_step_tokens;
    info.vocabulary_masks = true;
    info.max_scores = std::min(options.max_step_tokens, kEnoughScores);
    info.max_vectors = std::max(options.max_sequences, kEnoughVectors);
    info.vector_size = config.hidden_size;
    info.samples = config.generates();
    info.is_causal = config.is_causal;
    info.kv_bytes_per_token =
        size_t(config.n_layers) * 2 * config.n_kv_heads * config.head_dim * sizeof(bf16_t);
    // Every sequence at a fair length, or one at full length, unless a size was asked for.
    const int context = options.max_context > 0 ? options.max_context : config.max_position;
    const size_t tokens = std::max<size_t>(
        size_t(options.max_sequences) * std::min(context, kFairContext), size_t(context));
    const size_t wanted = (tokens + info.block_size) * info.kv_bytes_per_token;
    const size_t element_bytes = CpuLinear::uses_bf16() ? sizeof(bf16_t) : sizeof(float);
    const CpuMemory memory = plan_cpu_memory(cpu_weight_bytes(checkpoint.weights, element_bytes),
                                             options.kv_cache_bytes, wanted, host_memory());
    info.weight_bytes = memory.weight_bytes;
    // Eight rows take 1.4 times as long as one where the weights come from memory (0.5B's shape),
    // 2.8 times where they stay in the cache.
    constexpr size_t kCachedWeights = 64u << 20;  // bytes
    info.draft_row_cost = info.weight_bytes > kCachedWeights ? 0.06f : 0.25f;
    const size_t block_bytes = info.kv_bytes_per_token * size_t(info.block_size);
    info.n_blocks = int(std::min<size_t>(memory.kv_bytes / block_bytes, size_t(1) << 26));
    if (info.n_blocks < 2)
        throw LoadError(
            fmt::format("the KV cache of {} bytes holds no two blocks of {} bytes; "
                        "raise kv-cache-memory",
                        memory.kv_bytes, block_bytes));
    return info;
}

std::unique_ptr<Backend> make_cpu_backend(const Checkpoint& checkpoint,
                                          const BackendOptions& options) {
    return std::make_unique<CpuBackend>(checkpoint, options);
}

}  // namespace qwend
