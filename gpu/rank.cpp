#include "gpu/rank.h"

#include <algorithm>

namespace qwend {

Rank::Rank(const Checkpoint& checkpoint, int index, Shard shard,
           const std::function<void(float)>& on_progress)
    : device_(use_device(index)),
      shard_(std::move(shard)),
      stream_(device_),
      weights_(checkpoint, shard_, device_, on_progress) {}

Rank::~Rank() {
    if (!device_lost()) cudaStreamSynchronize(stream_);  // steps in flight write to us
}

void Rank::open(const RankLimits& limits) {
    const ModelConfig& config = shard_.config;
    const int table_width = (limits.max_context + kBlockTokens - 1) / kBlockTokens;
    n_valid_tokens_ = limits.n_valid_tokens;
    max_logprobs_ = size_t(limits.max_logprobs);
    lanes_ = std::make_unique<Lanes>(limits.max_sequences, table_width, n_valid_tokens_,
                                     limits.max_logprobs);
    state_ = {lanes_->block_tables(), table_width, lanes_->last_tokens()};
    forward_ =
        std::make_unique<Forward>(device_, config, weights_, limits.max_step_tokens,
                                  limits.max_sequences, limits.n_blocks, limits.deterministic);
    stage_ = std::make_unique<StepStaging>(
        device_, limits.max_step_tokens, limits.max_sequences, table_width,
        HeadShape{config.n_heads, config.n_kv_heads, config.head_dim}, !limits.deterministic);
    result_rows_ = size_t(Forward::padded_rows(limits.max_sequences));
    const size_t n_results = kStepsInFlight * result_rows_;
    tokens_ = PinnedBuffer<int32_t>(n_results), logprobs_ = PinnedBuffer<float>(n_results);
    top_tokens_ = PinnedBuffer<int32_t>(n_results * max_logprobs_);
    top_logprobs_ = PinnedBuffer<float>(n_results * max_logprobs_);
    for (int i = 0; i < kStepsInFlight; i++) done_.emplace_back();
    plan_preparations(limits);
    CUDA_CHECK(cudaDeviceSynchronize());
}

/// Every size that a step may have, the small ones of each kind first. A step of decode has a token
/// of each sequence, so at most as many as any step: the buffers have no room for more.
void Rank::plan_preparations(const RankLimits& limits) {
    auto plan = [&](StepKind kind, int first, int last) {
        for (int n = first; n <= last; n = preparations_.back().n_tokens + 1)
            preparations_.push_back({kind, Forward::padded_rows(n)});
    };
    plan(StepKind::prompt, 2, limits.max_step_tokens);
    plan(StepKind::decode, 1, std::min(limits.max_sequences, limits.max_step_tokens));
}

void Rank::launch_step(const StepStaging::Staged& staged) {
    forward_->launch(staged.inputs, state_, stream_);
    if (staged.inputs.n_sampled > 0)
        sample_rows(
            {forward_->logits(), forward_->sampler_scratch(), shard_.config.vocab_size,
             n_valid_tokens_, staged.inputs.sampled_lanes, lanes_->sampling(), lanes_->counts(),
             lanes_->last_tokens(),
             SampleResults{tokens_.get(), logprobs_.get(), top_tokens_.get(), top_logprobs_.get(),
                           int(result_rows_), int(max_logprobs_), staged.result_slot},
             staged.inputs.n_sampled},
            stream_);
}

/// The first step of a kind and size runs as it is, which loads kernels and makes cuBLASLt's plans;
/// the second is captured.
void Rank::launch_captured(const StepStaging::Staged& staged) {
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

void Rank::launch(const Batch& batch) {
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

bool Rank::prepare() {
    if (preparations_.empty()) return false;
    const auto [kind, n_tokens] = preparations_.front();
    preparations_.pop_front();
    const StepStaging::Staged staged = stage_->stage_padding(n_tokens, kind, stream_);
    while (!graphs_.contains(key_of(staged))) launch_captured(staged);
    CUDA_CHECK(cudaStreamSynchronize(stream_));
    return !preparations_.empty();
}

void Rank::collect(StepResult& result) {
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

}  // namespace qwend
