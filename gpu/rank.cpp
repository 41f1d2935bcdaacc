#include "gpu/rank.h"

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

/// Larger steps keep the device busy for longer than it takes the host to launch their kernels.
constexpr int kMostCapturedTokens = 4096;

}  // namespace

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
    lanes_ = std::make_unique<Lanes>(limits.max_sequences, table_width, n_valid_tokens_,
                                     limits.max_logprobs);
    state_ = {lanes_->block_tables(), table_width, lanes_->last_tokens()};
    forward_ = std::make_unique<Forward>(device_, config, weights_, limits.max_step_tokens,
                                         limits.max_samples, limits.n_blocks, limits.deterministic);
    stage_ = std::make_unique<StepStaging>(
        device_,
        StepSizes{limits.max_sequences, limits.max_step_tokens, limits.max_samples,
                  limits.max_scores, limits.max_vectors, table_width},
        HeadShape{config.n_heads, config.n_kv_heads, config.head_dim}, !limits.deterministic,
        config.is_causal);
    max_vectors_ = size_t(limits.max_vectors);
    sampled_ = Results(Forward::padded_rows(limits.max_samples), limits.max_logprobs);
    scored_ = Results(limits.max_scores, limits.max_logprobs);
    masks_ = std::make_unique<MaskRows>(n_valid_tokens_, Forward::padded_rows(limits.max_samples),
                                        kStepsInFlight);
    for (int i = 0; i < kStepsInFlight; i++) done_.emplace_back();
    plan_preparations(limits);
    CUDA_CHECK(cudaDeviceSynchronize());
}

/// Every size that a step may have, the small ones of each kind first. A step of decode samples
/// after each of its tokens, which are at most as many as any step's: the buffers have no room for
/// more.
void Rank::plan_preparations(const RankLimits& limits) {
    auto plan = [&](StepKind kind, int first, int last, bool samples) {
        for (int n = first; n <= last; n = preparations_.back().n_tokens + 1)
            preparations_.push_back({kind, Forward::padded_rows(n), samples});
    };
    if (limits.max_samples == 0) return;  // all steps have vectors, and are mixed
    const int most = std::min(limits.max_samples, limits.max_step_tokens);
    plan(StepKind::prompt, 2, std::min(limits.max_step_tokens, kMostCapturedTokens), true);
    plan(StepKind::decode, 1, most, true);
    // What has masks, or long beginnings in common, comes last: few ask for it.
    plan(StepKind::decode, 1, most, false);
    for (size_t i = 0, n = preparations_.size(); i < n; i++) {
        Preparation p = preparations_[i];
        p.shares_prefixes = p.kind == StepKind::decode && stage_->may_share(p.n_tokens);
        if (p.shares_prefixes) preparations_.push_back(p);
    }
}

void Rank::launch_step(const StepStaging::Staged& staged, bool samples) {
    forward_->launch(staged.inputs, state_, stream_);
    if (samples) launch_samples(staged, -1);
}

/// `mask_slot`: where masks_ has those of the samples; negative: there are none.
void Rank::launch_samples(const StepStaging::Staged& staged, int mask_slot) {
    if (staged.inputs.n_sampled == 0) return;
    const StepInputs& in = staged.inputs;
    SampleArgs args{
        forward_->logits(),
        forward_->sampler_scratch(),
        shard_.config.vocab_size,
        n_valid_tokens_,
        {in.sampled_lanes, in.sampled_outputs, in.sampled_guesses, in.sampled_tokens, in.tokens},
        lanes_->sampling(),
        lanes_->counts(),
        lanes_->last_tokens(),
        sampled_.on_device(staged.result_slot),
        in.n_sampled};
    if (mask_slot >= 0) {
        args.masks = masks_->rows();
        args.mask_rows = masks_->places(mask_slot);
        args.mask_width = masks_->n_words();
    }
    sample_rows(args, stream_);
}

/// As many rows at once as there are logits for.
void Rank::launch_scores(const StepStaging::Staged& staged) {
    const StepInputs& in = staged.inputs;
    for (int begin = 0; begin < staged.n_scores; begin += forward_->max_logit_rows()) {
        const int n = std::min(in.n_scored - begin, forward_->max_logit_rows());
        forward_->launch_logits(in.scored_tokens + begin, n, stream_);
        score_rows({forward_->logits(),
                    forward_->sampler_scratch(),
                    shard_.config.vocab_size,
                    n_valid_tokens_,
                    in.targets + begin,
                    in.n_logprobs + begin,
                    {scored_.on_device(staged.result_slot), scored_.ranks.get()},
                    begin,
                    n},
                   stream_);
    }
}

/// Where the vectors of a step are in the host's memory.
float* Rank::vectors_of(int slot) {
    const size_t n = max_vectors_ * size_t(shard_.config.hidden_size);
    if (vectors_.size() == 0) vectors_ = PinnedBuffer<float>(kStepsInFlight * n);
    return vectors_.get() + size_t(slot) * n;
}

void Rank::launch_vectors(const StepStaging::Staged& staged) {
    if (staged.inputs.n_vectors > 0)
        forward_->launch_vectors(staged.inputs, vectors_of(in_flight_.back().slot), stream_);
}

/// The first step of a kind and size runs as it is, which loads kernels and makes cuBLASLt's plans;
/// the second is captured.
void Rank::launch_captured(const StepStaging::Staged& staged, bool samples) {
    const GraphKey key = key_of(staged, samples);
    if (auto found = graphs_.find(key); found != graphs_.end())
        return found->second->launch(stream_);
    if (seen_.insert(key).second) return launch_step(staged, samples);
    CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    launch_step(staged, samples);
    cudaGraph_t graph = nullptr;
    CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    graphs_[key] = std::make_unique<StepGraph>(graph);
    graphs_[key]->launch(stream_);
}

void Rank::launch(const Batch& batch) {
    InFlight step{0, 0, 0, next_slot_, {}, {}};
    next_slot_ = (next_slot_ + 1) % kStepsInFlight;
    for (const BatchSequence& sequence : batch.sequences) {
        step.n_score_logprobs.insert(step.n_score_logprobs.end(), size_t(sequence.n_scores()),
                                     sequence.n_score_logprobs);
        if (!sequence.sampling) continue;
        lanes_->occupy(sequence, stream_);
        step.n_logprobs.insert(step.n_logprobs.end(), size_t(sequence.n_samples()),
                               sequence.sampling->n_logprobs);
    }
    const StepStaging::Staged staged = stage_->stage(batch, *lanes_, step.slot, stream_);
    step.n_rows = staged.n_rows, step.n_scores = staged.n_scores;
    step.n_vectors = staged.inputs.n_vectors;
    in_flight_.push_back(std::move(step));
    std::vector<VocabularyMask> masks;
    bool has_masks = batch.awaits_masks;
    for (const BatchSequence& sequence : batch.sequences) {
        for (size_t i = 0; i < size_t(sequence.n_samples()); i++) {
            masks.push_back(sequence.masks.empty() ? VocabularyMask() : sequence.masks[i]);
            has_masks = has_masks || masks.back().words;
        }
    }
    if (staged.kind == StepKind::mixed || staged.inputs.n_tokens > kMostCapturedTokens)
        launch_step(staged, !has_masks);
    else
        launch_captured(staged, !has_masks);
    if (!has_masks) return finish_launch(staged);
    awaiting_ = staged;
    if (!batch.awaits_masks) give_masks(masks);
}

void Rank::give_masks(std::span<const VocabularyMask> masks) {
    const StepStaging::Staged staged = *std::exchange(awaiting_, std::nullopt);
    const int slot = in_flight_.back().slot;
    masks_->place(masks, slot, stream_);
    launch_samples(staged, slot);
    finish_launch(staged);
}

/// What comes behind the samples.
void Rank::finish_launch(const StepStaging::Staged& staged) {
    launch_scores(staged);
    launch_vectors(staged);
    CUDA_CHECK(cudaEventRecord(done_[size_t(in_flight_.back().slot)], stream_));
}

bool Rank::prepare() {
    if (preparations_.empty()) return false;
    const Preparation next = preparations_.front();
    preparations_.pop_front();
    const StepStaging::Staged staged =
        stage_->stage_padding(next.n_tokens, next.kind, next.shares_prefixes, stream_);
    while (!graphs_.contains(key_of(staged, next.samples))) launch_captured(staged, next.samples);
    CUDA_CHECK(cudaStreamSynchronize(stream_));
    return !preparations_.empty();
}

void Rank::collect(StepResult& result) {
    const InFlight step = std::move(in_flight_.front());
    in_flight_.pop_front();
    CUDA_CHECK(cudaEventSynchronize(done_[size_t(step.slot)]));
    result.samples.clear(), result.scores.clear();
    for (int i = 0; i < step.n_rows; i++)
        result.samples.push_back(sampled_.read(step.slot, i, step.n_logprobs[size_t(i)]));
    for (int i = 0; i < step.n_scores; i++) {
        const size_t row = size_t(step.slot) * scored_.rows + size_t(i);
        SampledToken given = scored_.read(step.slot, i, step.n_score_logprobs[size_t(i)]);
        result.scores.push_back({std::move(given), scored_.ranks[row]});
    }
    result.vectors.clear();
    if (step.n_vectors == 0) return;
    const float* vectors = vectors_of(step.slot);
    result.vectors.assign(vectors, vectors + step.n_vectors * shard_.config.hidden_size);
}

Rank::Results::Results(int rows, int max_logprobs)
    : rows(size_t(rows)), max_logprobs(size_t(max_logprobs)) {
    const size_t n = kStepsInFlight * this->rows;
    tokens = PinnedBuffer<int32_t>(n), logprobs = PinnedBuffer<float>(n);
    ranks = PinnedBuffer<int32_t>(n);
    top_tokens = PinnedBuffer<int32_t>(n * this->max_logprobs);
    top_logprobs = PinnedBuffer<float>(n * this->max_logprobs);
}

SampleResults Rank::Results::on_device(const int32_t* slot) const {
    return {tokens.get(),
            logprobs.get(),
            top_tokens.get(),
            top_logprobs.get(),
            int(rows),
            int(max_logprobs),
            slot};
}

SampledToken Rank::Results::read(int slot, int i, int n_logprobs) const {
    const size_t row = size_t(slot) * rows + size_t(i);
    n_logprobs = std::min(n_logprobs, int(max_logprobs));
    SampledToken token;
    token.token = tokens[row];
    if (token.token < 0) return token;
    if (n_logprobs >= 0) token.logprob = logprobs[row];
    for (size_t k = 0; int(k) < n_logprobs; k++)
        token.top.push_back(
            {top_tokens[row * max_logprobs + k], top_logprobs[row * max_logprobs + k]});
    return token;
}

}  // namespace qwend
