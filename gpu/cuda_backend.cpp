#include "gpu/cuda_backend.h"

#include <algorithm>
#include <compare>
#include <deque>
#include <map>
#include <set>

#include "gpu/step_staging.h"
#include "model/error.h"

namespace qwend {

namespace {

constexpr size_t kReserve = size_t(1) << 30;  // bytes left to cuBLAS, graphs and the driver

/// Memory of the current device, in bytes.
struct DeviceMemory {
    size_t free = 0, total = 0;
    DeviceMemory() { CUDA_CHECK(cudaMemGetInfo(&free, &total)); }
};

/// A step of one kind and number of rows, captured.
class StepGraph {
  public:
    explicit StepGraph(cudaGraph_t graph) {
        CUDA_CHECK(cudaGraphInstantiate(&executable_, graph, 0));
        CUDA_CHECK(cudaGraphDestroy(graph));
    }
    ~StepGraph() {
        if (!device_lost()) cudaGraphExecDestroy(executable_);
    }
    StepGraph(const StepGraph&) = delete;
    StepGraph& operator=(const StepGraph&) = delete;
    void launch(cudaStream_t stream) const { CUDA_CHECK(cudaGraphLaunch(executable_, stream)); }

  private:
    cudaGraphExec_t executable_ = nullptr;
};

class CudaBackend final : public Backend {
  public:
    CudaBackend(const Checkpoint& checkpoint, int index, const BackendOptions& options);

    ~CudaBackend() override {
        if (!device_lost()) cudaStreamSynchronize(stream_);  // steps in flight write to us
    }

    const BackendInfo& info() const override { return info_; }
    void launch(const Batch& batch) override;
    void collect(StepResult& result) override;
    bool prepare() override;

  private:
    void plan_preparations();
    void launch_step(const StepStaging::Staged& staged);
    void launch_captured(const StepStaging::Staged& staged);

    const Device device_;  // the thread's, before anything is allocated
    const ModelConfig config_;
    BackendInfo info_;
    int n_valid_tokens_;
    ForwardState state_{};
    Stream stream_;
    std::unique_ptr<DeviceWeights> weights_;
    std::unique_ptr<Forward> forward_;
    std::unique_ptr<Lanes> lanes_;
    std::unique_ptr<StepStaging> stage_;
    // What the device writes of the steps in flight; see SampleResults.
    size_t result_rows_ = 0, max_logprobs_ = 0;
    PinnedBuffer<int32_t> tokens_, top_tokens_;
    PinnedBuffer<float> logprobs_, top_logprobs_;

    struct InFlight {
        int n_rows, slot;
        std::vector<int> n_logprobs;  // of each row
    };
    std::deque<InFlight> in_flight_;
    std::vector<Event> done_;  // by slot
    int next_slot_ = 0;
    struct GraphKey {
        StepKind kind;
        int n_tokens;
        bool one_short_row;
        auto operator<=>(const GraphKey&) const = default;
    };
    static GraphKey key_of(const StepStaging::Staged& staged) {
        return {staged.kind, staged.inputs.n_tokens, staged.inputs.one_short_row};
    }
    std::set<GraphKey> seen_;  // ran once, uncaptured
    std::map<GraphKey, std::unique_ptr<StepGraph>> graphs_;
    struct Preparation {
        StepKind kind;
        int n_tokens;
    };
    std::deque<Preparation> preparations_;
};

/// The KV pool: what was asked for, else all that is left of the process's share. Others may use
/// the device, so never more than is free. `free`: with the weights in place.
int choose_blocks(const ModelConfig& config, const BackendOptions& options, const BackendInfo& info,
                  size_t free, size_t total) {
    const size_t beside =
        Forward::activation_bytes(config, info.max_step_tokens, info.max_sequences) +
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

/// Everything of it that is known before anything is loaded.
BackendInfo describe(const Checkpoint& checkpoint, int index, const BackendOptions& options) {
    const ModelConfig& config = checkpoint.config;
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    BackendInfo info;
    info.device = properties.name;
    info.block_size = kBlockTokens;
    info.max_step_tokens = options.max_step_tokens;
    info.max_sequences = options.max_sequences;
    info.max_steps_in_flight = kStepsInFlight;
    info.n_vocab = options.n_valid_tokens > 0 ? std::min(options.n_valid_tokens, config.vocab_size)
                                              : config.vocab_size;
    info.kv_bytes_per_token = Forward::kv_bytes_per_token(config);
    info.weight_bytes = DeviceWeights::bytes_of(checkpoint.weights);
    return info;
}

CudaBackend::CudaBackend(const Checkpoint& checkpoint, int index, const BackendOptions& options)
    : device_(use_device(index)),
      config_(checkpoint.config),
      info_(describe(checkpoint, index, options)),
      n_valid_tokens_(info_.n_vocab),
      stream_(device_) {
    weights_ = std::make_unique<DeviceWeights>(checkpoint, device_, options.on_progress);
    const DeviceMemory memory;
    info_.n_blocks = choose_blocks(config_, options, info_, memory.free, memory.total);

    const int context = options.max_context > 0 ? options.max_context : config_.max_position;
    const int table_width = (context + kBlockTokens - 1) / kBlockTokens;
    max_logprobs_ = size_t(std::min(options.max_logprobs, n_valid_tokens_));
    lanes_ = std::make_unique<Lanes>(info_.max_sequences, table_width, n_valid_tokens_,
                                     int(max_logprobs_));
    state_ = {lanes_->block_tables(), table_width, lanes_->last_tokens()};
    forward_ =
        std::make_unique<Forward>(device_, config_, *weights_, info_.max_step_tokens,
                                  info_.max_sequences, info_.n_blocks, options.deterministic);
    stage_ = std::make_unique<StepStaging>(
        device_, info_.max_step_tokens, info_.max_sequences, table_width,
        HeadShape{config_.n_heads, config_.n_kv_heads, config_.head_dim}, !options.deterministic);
    result_rows_ = size_t(Forward::padded_rows(info_.max_sequences));
    const size_t n_results = kStepsInFlight * result_rows_;
    tokens_ = PinnedBuffer<int32_t>(n_results), logprobs_ = PinnedBuffer<float>(n_results);
    top_tokens_ = PinnedBuffer<int32_t>(n_results * max_logprobs_);
    top_logprobs_ = PinnedBuffer<float>(n_results * max_logprobs_);
    for (int i = 0; i < kStepsInFlight; i++) done_.emplace_back();
    plan_preparations();
    CUDA_CHECK(cudaDeviceSynchronize());
}

/// Every size that a step may have, the small ones of each kind first. A step of decode has a token
/// of each sequence, so at most as many as any step: the buffers have no room for more.
void CudaBackend::plan_preparations() {
    auto plan = [&](StepKind kind, int first, int last) {
        for (int n = first; n <= last; n = preparations_.back().n_tokens + 1)
            preparations_.push_back({kind, Forward::padded_rows(n)});
    };
    plan(StepKind::prompt, 2, info_.max_step_tokens);
    plan(StepKind::decode, 1, std::min(info_.max_sequences, info_.max_step_tokens));
}

void CudaBackend::launch_step(const StepStaging::Staged& staged) {
    forward_->launch(staged.inputs, state_, stream_);
    if (staged.inputs.n_sampled > 0)
        sample_rows(
            {forward_->logits(), forward_->sampler_scratch(), config_.vocab_size, n_valid_tokens_,
             staged.inputs.sampled_lanes, lanes_->sampling(), lanes_->counts(),
             lanes_->last_tokens(),
             SampleResults{tokens_.get(), logprobs_.get(), top_tokens_.get(), top_logprobs_.get(),
                           int(result_rows_), int(max_logprobs_), staged.result_slot},
             staged.inputs.n_sampled},
            stream_);
}

/// The first step of a kind and size runs as it is, which loads kernels and makes cuBLASLt's plans;
/// the second is captured.
void CudaBackend::launch_captured(const StepStaging::Staged& staged) {
    const GraphKey key = key_of(staged);
    if (auto found = graphs_.find(key); found != graphs_.end())
        return found->second->launch(stream_);
    if (seen_.insert(key).second) return launch_step(staged);
    CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    launch_step(staged);
    cudaGraph_t graph = nullptr;
    CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    graphs_[key] = std::make_unique<StepGraph>(graph);
    graphs_[key]->launch(stream_);
}

void CudaBackend::launch(const Batch& batch) {
    check_capabilities(batch, info_);
    InFlight step{0, next_slot_, {}};
    next_slot_ = (next_slot_ + 1) % kStepsInFlight;
    for (const BatchSequence& sequence : batch.sequences)
        if (sequence.sampling) {
            lanes_->occupy(sequence, stream_);
            step.n_logprobs.push_back(sequence.sampling->n_logprobs);
        }
    const StepStaging::Staged staged = stage_->stage(batch, *lanes_, step.slot, stream_);
    if (staged.kind == StepKind::mixed)
        launch_step(staged);
    else
        launch_captured(staged);
    CUDA_CHECK(cudaEventRecord(done_[size_t(step.slot)], stream_));
    step.n_rows = staged.n_rows;
    in_flight_.push_back(std::move(step));
}

bool CudaBackend::prepare() {
    if (preparations_.empty()) return false;
    const auto [kind, n_tokens] = preparations_.front();
    preparations_.pop_front();
    const StepStaging::Staged staged = stage_->stage_padding(n_tokens, kind, stream_);
    while (!graphs_.contains(key_of(staged))) launch_captured(staged);
    CUDA_CHECK(cudaStreamSynchronize(stream_));
    return !preparations_.empty();
}

void CudaBackend::collect(StepResult& result) {
    const InFlight step = std::move(in_flight_.front());
    in_flight_.pop_front();
    CUDA_CHECK(cudaEventSynchronize(done_[size_t(step.slot)]));
    result.samples.clear();
    for (int i = 0; i < step.n_rows; i++) {
        const size_t row = size_t(step.slot) * result_rows_ + size_t(i);
        const int n_logprobs = std::min(step.n_logprobs[size_t(i)], int(max_logprobs_));
        SampledToken sampled;
        sampled.token = tokens_[row];
        if (sampled.token < 0) {
            result.samples.push_back(std::move(sampled));
            continue;
        }
        if (n_logprobs >= 0) sampled.logprob = logprobs_[row];
        for (size_t k = 0; int(k) < n_logprobs; k++)
            sampled.top.push_back(
                {top_tokens_[row * max_logprobs_ + k], top_logprobs_[row * max_logprobs_ + k]});
        result.samples.push_back(std::move(sampled));
    }
}

}  // namespace

std::string check_cuda_model(const ModelConfig& c) {
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
