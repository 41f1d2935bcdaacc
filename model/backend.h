#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/pooling.h"
#include "model/sampling.h"

namespace qwend {

/// One sequence's share of a step: a run of consecutive tokens, a chunk of prefill or one decode
/// token, whose keys and values go to the paged cache.
struct BatchSequence {
    int lane = 0;               // stable index of the sequence while it runs, < max_sequences
    uint64_t run = 0;           // number of this stay in the lane, never used again in a backend's
                                // life: another sequence there, or the same one after a preemption,
                                // has another
    int query_begin = 0;        // first of its tokens in Batch::tokens
    int n_query = 0;            // tokens computed now
    int n_context = 0;          // tokens in the cache once this step is done = last position + 1
    int block_table_begin = 0;  // first of its entries in Batch::block_tables

    // Sampling: set if the last of these tokens is the last one of the sequence.
    const SamplingParams* sampling = nullptr;  // nullptr: a prefill chunk that is not the last
    // The last so many tokens are guesses of what the ones before them will sample. A token is
    // sampled after each, and after the last that is known: sample i as if i guesses were right.
    int n_drafts = 0;
    int sample_begin = 0;             // first of its samples in StepResult::samples
    std::span<const int32_t> prompt;  // ids, for penalties
    // Ids generated so far, then the guesses. Sample i sees all but the last n_drafts - i, and the
    // number of those it sees is its Philox counter. With steps in flight the last may be -1: they
    // count, but only the device knows them, which sampled them for this run of the lane.
    std::span<const int32_t> output;
    // (n_samples()) the ids each sample may be; empty: any. Not looked at if the batch awaits
    // masks.
    std::span<const VocabularyMask> masks;

    // Scoring: tokens that are given, of the prompt, are reported as sampled ones are. Nothing is
    // sampled for them: they count nowhere, and change nothing of the lane.
    std::span<const int32_t>
        targets;               // ids that follow the tokens from `first_scored` on, one each
    int first_scored = 0;      // of the tokens computed now; 0: the one at query_begin
    int score_begin = 0;       // first of its scores in StepResult::scores
    int n_score_logprobs = 0;  // likeliest tokens to report beside each

    // Vectors: the hidden states after the last norm of a run of these tokens are given back, each
    // or reduced to one; weighted by its place in the sequence, from 1 on, where that is asked for.
    Reduction reduction = Reduction::each;
    int first_pooled = 0;  // of the tokens computed now
    int n_pooled = 0;
    int vector_begin = 0;  // first of its vectors in StepResult::vectors

    int n_samples() const { return sampling ? 1 + n_drafts : 0; }
    int n_scores() const { return static_cast<int>(targets.size()); }
    int n_vectors() const {
        return reduction == Reduction::each ? n_pooled : static_cast<int>(n_pooled > 0);
    }
};

/// One step over several sequences: plain arrays, valid during Backend::launch.
struct Batch {
    std::vector<int32_t> tokens;        // (n_tokens) ids; -1 - lane: the one last sampled in the
                                        // lane, not seen by the host yet (max_steps_in_flight > 1)
    std::vector<int32_t> positions;     // (n_tokens) 0-based
    std::vector<int32_t> slots;         // (n_tokens) KV slot = block * block_size + offset
    std::vector<int32_t> block_tables;  // all tables end to end; ceil(n_context / block_size) each
    std::vector<BatchSequence> sequences;
    // Which ids its samples may be depends on what a step in flight samples: give_masks() says it.
    bool awaits_masks = false;

    void clear() {
        tokens.clear(), positions.clear(), slots.clear(), block_tables.clear();
        sequences.clear();
        awaits_masks = false;
    }
};

/// What a step gives back: n_samples(), n_scores() and n_vectors() entries for each sequence, end
/// to end in batch order.
struct StepResult {
    std::vector<SampledToken> samples;
    std::vector<ScoredToken> scores;
    std::vector<float> vectors;  // (n_vectors, BackendInfo::vector_size)
};

/// What the scheduler and the operator need to know of a loaded backend.
struct BackendInfo {
    std::string device;  // for people: "CPU, 2 threads, AVX-512 bf16"
    int block_size = 0;  // tokens per KV block
    int n_blocks = 0;    // KV blocks in the pool
    size_t kv_bytes_per_token = 0;
    size_t weight_bytes = 0;        // as held in memory
    int max_step_tokens = 0;        // most tokens in one step
    int busy_step_tokens = 0;       // that a step may have however long sequences wait for their
                                    // next token; 0: as many as any
    double busy_step_seconds = 0;   // that such a step should take where it has more
    int max_sequences = 0;          // most sequences in one step
    int max_steps_in_flight = 1;    // most steps launched and not yet collected
    int n_vocab = 0;                // ids that are sampled are below it
    int max_samples = 1;            // most samples of a sequence in one step
    int max_draft_rows = 0;         // most tokens of a step with drafts: up to so many, one more
                                    // costs little
    float draft_row_cost = 1;       // of a step's time, what such a token costs
    bool vocabulary_masks = false;  // whether it takes BatchSequence::masks
    bool late_masks = false;        // whether it takes batches that await theirs
    int max_scores = 0;             // most scores of one step; 0: it cannot score
    int max_vectors = 0;            // most vectors of one step; 0: it makes none
    int vector_size = 0;            // dimensions of each
    bool samples = true;            // whether the model has logits; else it only makes vectors
    bool is_causal = true;          // whether a token sees those before it only; else all of its
                                    // sequence, which then has to be computed in one step
};

/// Scores of a step, and vectors of a step, that are enough for any backend: each is a row of
/// logits or of hidden states for the device, and something to take in for the one who asked.
inline constexpr int kEnoughScores = 512, kEnoughVectors = 512;

/// How a backend is to be made; zero means "choose".
struct BackendOptions {
    int block_size = 16;        // tokens
    size_t kv_cache_bytes = 0;  // 0: on a GPU what memory_share leaves; on a CPU enough for
                                // max_sequences at a fair context, within half of what is free
    double memory_share = 0.9;  // GPU only: of all its memory, for weights, KV cache and the rest
    int max_step_tokens = 512;  // prefill chunk budget + decode rows
    int busy_step_tokens = 0;   // as BackendInfo's; larger steps are as large as a fair share of
                                // the memory has room for
    double busy_step_seconds = 0;
    int max_sequences = 32;
    int max_context = 0;                     // tokens, for the default size of the pool
    int n_valid_tokens = 0;                  // tokenizer size: ids at and above are never sampled
    int max_logprobs = 20;                   // most a sequence may ask for
    bool deterministic = false;              // the same bits in any company, at some cost
    int n_threads = 0;                       // CPU only; 0: all cores this process may use
    std::function<void(float)> on_progress;  // 0 … 1 while loading
};

/// The narrow door between scheduling and mathematics. One thread uses it; two virtual calls a
/// step. Steps take effect in the order of their launches, each as if the one before were over: a
/// later one may read and overwrite any slot of an earlier one.
class Backend {
  public:
    virtual ~Backend() = default;  // waits for the steps in flight; not called after a fault
    virtual const BackendInfo& info() const = 0;

    /// Starts a step; at most info().max_steps_in_flight may be in flight. What it needs of the
    /// batch is copied before it returns. Throws BackendFault if the device failed; the backend is
    /// then unusable, its destructor included, and nothing of the steps in flight is valid.
    virtual void launch(const Batch& batch) = 0;
    /// Says what the samples of the youngest step may be, one mask each, if its batch awaits them:
    /// before another is launched, and before it is collected. What a backend does first does not
    /// depend on them, so the device is busy meanwhile. Throws as launch() does.
    virtual void give_masks(std::span<const VocabularyMask>) {
        throw std::logic_error(
            "expected no masks after the launch, which this backend cannot take");
    }
    /// Waits for the oldest step in flight and replaces `result` with what it gives. Throws as
    /// launch() does.
    virtual void collect(StepResult& result) = 0;

    /// Does some milliseconds' worth of what steps would otherwise do the first time; false:
    /// nothing is left. For where no step is in flight. Throws as launch() does.
    virtual bool prepare() { return false; }

    /// One step from start to end, for where none is in flight.
    void step(const Batch& batch, StepResult& result) {
        launch(batch);
        collect(result);
    }
};

/// The accelerator (or its driver) failed for good.
struct BackendFault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// For launch(): throws std::logic_error if the batch wants of a backend what it cannot do. Whoever
/// made the batch should have refused the request.
inline void check_capabilities(const Batch& batch, const BackendInfo& info) {
    int n_scores = 0, n_drafts = 0, n_vectors = 0;
    if (batch.awaits_masks && !info.late_masks)
        throw std::logic_error("expected the masks with the batch");
    for (const BatchSequence& sequence : batch.sequences) {
        n_scores += sequence.n_scores(), n_drafts += sequence.n_drafts;
        n_vectors += sequence.n_vectors();
        if (!info.is_causal && sequence.n_context != sequence.n_query)
            throw std::logic_error("expected whole sequences, which is what this model attends to");
        if (!info.samples && (sequence.n_samples() > 0 || sequence.n_scores() > 0))
            throw std::logic_error("expected no samples of a model without logits");
        if (sequence.n_samples() > info.max_samples)
            throw std::logic_error("expected at most " + std::to_string(info.max_samples) +
                                   " samples of a sequence in a step, found " +
                                   std::to_string(sequence.n_samples()));
        if (!sequence.masks.empty() && !info.vocabulary_masks)
            throw std::logic_error("expected no vocabulary masks, which this backend cannot apply");
    }
    if (n_drafts > 0 && batch.tokens.size() > size_t(info.max_draft_rows))
        throw std::logic_error("expected at most " + std::to_string(info.max_draft_rows) +
                               " tokens in a step with drafts, found " +
                               std::to_string(batch.tokens.size()));
    if (n_scores > info.max_scores)
        throw std::logic_error("expected at most " + std::to_string(info.max_scores) +
                               " scores in a step, found " + std::to_string(n_scores));
    if (n_vectors > info.max_vectors)
        throw std::logic_error("expected at most " + std::to_string(info.max_vectors) +
                               " vectors in a step, found " + std::to_string(n_vectors));
}

}  // namespace qwend
