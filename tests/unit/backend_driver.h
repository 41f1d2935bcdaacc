#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>

#include "model/backend.h"
#include "tests/unit/hashed_checkpoint.h"

namespace qwend {

using BackendFactory = std::function<std::unique_ptr<Backend>(std::shared_ptr<const Checkpoint>,
                                                              const BackendOptions&)>;

/// Greedy, with the log-probabilities of the whole vocabulary: what there is to compare of a step.
inline SamplingParams greedy_with_logprobs() {
    SamplingParams params;
    params.temperature = 0;
    params.n_logprobs = kHashedVocab;
    return params;
}

struct DrivenStream {
    std::vector<int32_t> prompt, output;
    SamplingParams sampling = greedy_with_logprobs();
    std::vector<SampledToken> samples;  // one for each of `output`
    int n_computed = 0;
    int lane = -1;  // given by the driver, as the next two
    uint64_t run = 0;
    std::vector<int32_t> blocks;

    int n_uncomputed() const { return int(prompt.size() + output.size()) - n_computed; }
};

inline DrivenStream make_stream(int length) {
    DrivenStream stream;
    for (int i = 0; i < length; i++) stream.prompt.push_back((i * 7919 + 13) % kHashedVocab);
    return stream;
}

/// Drives sequences through a backend without a scheduler.
class Driver {
  public:
    struct Share {
        DrivenStream* stream;
        int n_query;
    };

    /// `chunk`: most tokens of a stream in one step of run(); `context`: most a stream will have.
    Driver(const BackendFactory& make, std::shared_ptr<const Checkpoint> checkpoint, int chunk,
           int context = 4352)
        : chunk_(chunk) {
        BackendOptions options;
        options.max_context = context;
        options.kv_cache_bytes = 256 << 20;
        options.max_step_tokens = kStepTokens;
        options.max_sequences = kLanes;
        options.max_logprobs = kHashedVocab;
        backend_ = make(std::move(checkpoint), options);
    }

    /// Steps all streams together until each has n tokens of output.
    void run(const std::vector<DrivenStream*>& streams, size_t n) {
        for (;;) {
            std::vector<Share> shares;
            int n_left = kStepTokens;
            for (DrivenStream* stream : streams) {
                if (stream->output.size() >= n || n_left == 0) continue;
                shares.push_back({stream, std::min({chunk_, stream->n_uncomputed(), n_left})});
                n_left -= shares.back().n_query;
            }
            if (shares.empty()) return;
            step(shares);
        }
    }

    /// One step, in this order. Who has all its tokens computed with it gets another.
    void step(const std::vector<Share>& shares) {
        Batch batch;
        std::vector<DrivenStream*> sampled;
        for (const Share& share : shares) add(batch, *share.stream, share.n_query, sampled);
        StepResult result;
        backend_->step(batch, result);
        REQUIRE(result.samples.size() == sampled.size());
        for (size_t i = 0; i < sampled.size(); i++) {
            sampled[i]->output.push_back(result.samples[i].token);
            sampled[i]->samples.push_back(std::move(result.samples[i]));
        }
    }

    /// A copy that goes on from here in the same lane and the same blocks. Only one of the two may
    /// ever write new blocks; a token both compute has the same keys and values.
    DrivenStream fork(const DrivenStream& stream) {
        DrivenStream copy = stream;
        copy.run = ++n_runs_;
        return copy;
    }

    /// What a step of its own gives a fork after its last token and after each draft;
    /// `masks`: (1 + drafts), or empty; with the batch or, if `late`, once it is launched.
    std::vector<SampledToken> sample_after(DrivenStream fork, const std::vector<int32_t>& drafts,
                                           std::span<const VocabularyMask> masks = {},
                                           bool late = false) {
        fork.output.insert(fork.output.end(), drafts.begin(), drafts.end());
        Batch batch;
        std::vector<DrivenStream*> sampled;
        add(batch, fork, fork.n_uncomputed(), sampled);
        batch.sequences[0].n_drafts = int(drafts.size());
        batch.awaits_masks = late;
        if (!late) batch.sequences[0].masks = masks;
        StepResult result;
        backend_->launch(batch);
        if (late) backend_->give_masks(masks);
        backend_->collect(result);
        return std::move(result.samples);
    }

  private:
    static constexpr int kStepTokens = 4096, kLanes = 256;

    void add(Batch& batch, DrivenStream& stream, int n_query, std::vector<DrivenStream*>& sampled) {
        if (stream.lane < 0) stream.lane = n_lanes_++, stream.run = ++n_runs_;
        REQUIRE(stream.lane < kLanes);
        BatchSequence row;
        row.lane = stream.lane, row.run = stream.run;
        row.query_begin = int(batch.tokens.size());
        row.n_query = n_query;
        row.n_context = stream.n_computed + n_query;
        // Blocks are handed out to all in turn, so that no stream's are next to each other.
        while (int(stream.blocks.size()) * 16 < row.n_context) stream.blocks.push_back(n_blocks_++);
        REQUIRE(n_blocks_ <= backend_->info().n_blocks);
        for (int position = stream.n_computed; position < row.n_context; position++) {
            const size_t i = size_t(position), n_prompt = stream.prompt.size();
            batch.tokens.push_back(i < n_prompt ? stream.prompt[i] : stream.output[i - n_prompt]);
            batch.positions.push_back(position);
            batch.slots.push_back(stream.blocks[i / 16] * 16 + position % 16);
        }
        row.block_table_begin = int(batch.block_tables.size());
        batch.block_tables.insert(batch.block_tables.end(), stream.blocks.begin(),
                                  stream.blocks.begin() + (row.n_context + 15) / 16);
        stream.n_computed = row.n_context;
        if (stream.n_uncomputed() == 0) {
            row.sampling = &stream.sampling;
            row.prompt = stream.prompt;
            row.output = stream.output;
            sampled.push_back(&stream);
        }
        batch.sequences.push_back(row);
    }

    std::unique_ptr<Backend> backend_;
    int chunk_;
    int n_blocks_ = 1, n_lanes_ = 0;
    uint64_t n_runs_ = 0;
};

/// The same bits.
inline bool same(const SampledToken& a, const SampledToken& b) {
    if (a.token != b.token || a.logprob != b.logprob || a.top.size() != b.top.size()) return false;
    for (size_t i = 0; i < a.top.size(); i++)
        if (a.top[i].token != b.top[i].token || a.top[i].logprob != b.top[i].logprob) return false;
    return true;
}
inline bool same(const DrivenStream& a, const DrivenStream& b) {
    bool equal = a.samples.size() == b.samples.size();
    for (size_t i = 0; equal && i < a.samples.size(); i++) equal = same(a.samples[i], b.samples[i]);
    return equal;
}

/// KL divergence of b's distribution from a's.
inline double divergence(const SampledToken& a, const SampledToken& b) {
    std::map<int32_t, double> other;
    for (auto& entry : b.top) other[entry.token] = entry.logprob;
    double sum = a.top.size() == kHashedVocab && other.size() == kHashedVocab ? 0 : INFINITY;
    for (auto& entry : a.top)
        sum += std::exp(double(entry.logprob)) * (entry.logprob - other[entry.token]);
    return sum;
}
inline constexpr double kClose = 0.01;  // what bf16 products in another order may come to

}  // namespace qwend
