#include "gpu/cuda_backend.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gpu/rank.h"
#include "model/error.h"
#include "model/packed_linear.h"
#include "model/quantized/scheme.h"

namespace qwend {

namespace {

constexpr size_t kReserve = size_t(1) << 30;  // bytes left to cuBLAS, graphs and the driver

/// Memory of the current device, in bytes.
struct DeviceMemory {
    size_t free = 0, total = 0;
    DeviceMemory() { CUDA_CHECK(cudaMemGetInfo(&free, &total)); }
};

/// Of a step.
int most_samples(const BackendInfo& info) {
    return info.samples ? std::max(info.max_sequences, info.max_draft_rows) : 0;
}

/// The KV pool: what was asked for, else all that is left of the process's share. Others may use
/// the device, so never more than is free. `free`: with the weights in place.
int choose_blocks(const ModelConfig& config, const BackendOptions& options, const BackendInfo& info,
                  size_t free, size_t total) {
    const size_t beside =
        Forward::activation_bytes(config, info.max_step_tokens, most_samples(info)) +
        size_t(info.max_sequences) * size_t(info.n_vocab) * sizeof(uint16_t) + kReserve;
    auto less = [](size_t a, size_t b) { return a > b ? a - b : 0; };
    const size_t room = less(free, beside);
    const auto share = size_t(double(total) * options.memory_share);
    const size_t chosen = std::min(room, less(share, info.weight_bytes + beside));
    const size_t n_bytes = options.kv_cache_bytes > 0 ? options.kv_cache_bytes : chosen;
    const size_t n_blocks = n_bytes / (info.kv_bytes_per_token * kBlockTokens);
    if (n_blocks < 2 || n_bytes > room)
        throw LoadError("the KV cache does not fit: expected " + std::to_string(n_bytes >> 20) +
                        " MiB, found " + std::to_string(room >> 20) + " MiB of " +
                        std::to_string(total >> 20) +
                        " MiB free beside weights and activations; see with nvidia-smi who else "
                        "has some, set kv-cache-memory or gpu-memory-utilization, lower "
                        "max-sequences or max-step-tokens, or use a larger GPU");
    return int(std::min<size_t>(n_blocks, size_t(1) << 26));
}

/// Where it was not asked for, a step is as large as a sixteenth of what the weights leave has room
/// for: it is faster the larger it is, but a KV cache is worth more.
int choose_step_tokens(const ModelConfig& config, const BackendOptions& options,
                       const BackendInfo& info, size_t memory) {
    const auto share = size_t(double(memory) * options.memory_share);
    const size_t room = share > info.weight_bytes ? share - info.weight_bytes : 0;
    const int least = options.busy_step_tokens;
    int n = options.max_step_tokens;
    while (least > 0 && n > least &&
           Forward::activation_bytes(config, n, most_samples(info)) > room / 16)
        n = std::max(least, n / 2);
    return n;
}

Shard whole(const Checkpoint& checkpoint) {
    return shard_of(checkpoint.config, 0, 1);
}

/// Everything of it that is known before anything is loaded.
BackendInfo describe(const Checkpoint& checkpoint, int index, const BackendOptions& options) {
    const ModelConfig& config = checkpoint.config;
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    BackendInfo info;
    info.device = properties.name;
    info.block_size = kBlockTokens;
    info.weight_bytes = DeviceWeights::bytes_of(checkpoint.weights, whole(checkpoint));
    info.max_sequences = options.max_sequences;
    info.samples = config.generates();
    info.max_step_tokens = choose_step_tokens(config, options, info, properties.totalGlobalMem);
    info.busy_step_tokens = options.busy_step_tokens;
    info.busy_step_seconds = options.busy_step_seconds;
    info.max_steps_in_flight = kStepsInFlight;
    info.vocabulary_masks = info.late_masks = true;
    // Elsewhere the bits of a text would depend on what was guessed.
    if (Device{.index = index, .compute_major = properties.major}.has_clusters()) {
        static_assert(kSkinnyRows <= kMaxNewTokens);
        info.max_samples = info.max_draft_rows = std::min(kSkinnyRows, info.max_step_tokens);
        info.draft_row_cost = 0.026f;  // eight rows take 18% longer than one, of the smallest model
    }
    info.max_scores = info.samples ? std::min(info.max_step_tokens, kEnoughScores) : 0;
    info.max_vectors = std::max(info.max_sequences, kEnoughVectors);
    info.vector_size = config.hidden_size;
    info.is_causal = config.is_causal;
    info.n_vocab = options.n_valid_tokens > 0 ? std::min(options.n_valid_tokens, config.vocab_size)
                                              : config.vocab_size;
    info.kv_bytes_per_token = Forward::kv_bytes_per_token(config);
    return info;
}

/// The door to one rank that has the whole model.
class CudaBackend final : public Backend {
  public:
    CudaBackend(const Checkpoint& checkpoint, int index, const BackendOptions& options)
        : info_(describe(checkpoint, index, options)),
          rank_(checkpoint, index, whole(checkpoint), options.on_progress) {
        const ModelConfig& config = checkpoint.config;
        const DeviceMemory memory;
        info_.n_blocks = choose_blocks(config, options, info_, memory.free, memory.total);
        rank_.open({info_.max_step_tokens, info_.max_sequences, info_.max_scores, info_.max_vectors,
                    most_samples(info_), info_.n_blocks,
                    options.max_context > 0 ? options.max_context : config.max_position,
                    info_.n_vocab, std::min(options.max_logprobs, info_.n_vocab),
                    options.deterministic});
    }

    const BackendInfo& info() const override { return info_; }
    void launch(const Batch& batch) override {
        check_capabilities(batch, info_);
        rank_.launch(batch);
    }
    void give_masks(std::span<const VocabularyMask> masks) override { rank_.give_masks(masks); }
    void collect(StepResult& result) override { rank_.collect(result); }
    bool prepare() override { return rank_.prepare(); }

  private:
    BackendInfo info_;
    Rank rank_;
};

/// Why quantised layers of a decoder, as the configuration has them, cannot be on the device. The
/// tensors of some may be refused later: here nobody knows which layers are left alone.
std::string check_quantized(const ModelConfig& c) {
    if (!c.quantization) return {};
    const QuantScheme& scheme = *c.quantization;
    for (auto [name, k] : {std::pair{"self_attn.q_proj", c.hidden_size},
                           {"self_attn.o_proj", c.n_heads * c.head_dim},
                           {"mlp.down_proj", c.intermediate_size}}) {
        const std::string layer = std::string("model.layers.0.") + name;
        if (scheme.converts(layer) == Named::no) continue;
        const int group = scheme.group > 0 ? std::min(scheme.group, k) : k;
        const std::string fault = check_packed(layer, {scheme.kind, kPackedRows, k, group});
        if (!fault.empty()) return fault + " (" + scheme.text() + ")";
    }
    return {};
}

}  // namespace

std::string check_cuda_model(const ModelConfig& c) {
    if (std::string fault = check_quantized(c); !fault.empty()) return fault;
    if (c.head_dim != 64 && c.head_dim != 128)
        return "expected a head size of 64 or 128, found " + std::to_string(c.head_dim);
    if (c.n_heads / c.n_kv_heads > kMaxGroup)
        return "expected at most 8 query heads a KV head, found " +
               std::to_string(c.n_heads / c.n_kv_heads);
    for (int size : {c.hidden_size, c.intermediate_size, c.vocab_size})
        if (size % 32 != 0)
            return "expected sizes that are multiples of 32, found " + std::to_string(size);
    return {};
}

namespace {

/// What leaves the device as it was says that this configuration will not do there.
template <class F>
auto refusing(F&& make) {
    try {
        return make();
    } catch (const CudaRefusal& refusal) {
        throw LoadError(std::string("CUDA refuses: ") + refusal.what() +
                        "; if it is memory, see with nvidia-smi who else has some, or lower "
                        "kv-cache-memory, max-sequences or max-step-tokens");
    }
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const Checkpoint& checkpoint, int index,
                                           const BackendOptions& options) {
    return refusing([&]() -> std::unique_ptr<Backend> {
        return std::make_unique<CudaBackend>(checkpoint, index, options);
    });
}

BackendInfo plan_cuda_backend(const Checkpoint& checkpoint, int index,
                              const BackendOptions& options) {
    return refusing([&] {
        CUDA_CHECK(cudaSetDevice(index));
        BackendInfo info = describe(checkpoint, index, options);
        const DeviceMemory memory;
        const size_t free = memory.free > info.weight_bytes ? memory.free - info.weight_bytes : 0;
        info.n_blocks = choose_blocks(checkpoint.config, options, info, free, memory.total);
        return info;
    });
}

}  // namespace qwend
