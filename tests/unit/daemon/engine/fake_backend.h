#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/engine/sequence.h"
#include "model/backend.h"
#include "model/pooling.h"
#include "tests/unit/daemon/engine/fake_grammar.h"

namespace qwend {

/// A Backend without weights, for the tests of what schedules it. Its pool holds, per slot, what
/// stands for the keys and values of a token: the token, its position and a hash of its whole
/// context, computed by reading the previous position through the block table, as attention would.
/// The next token is a pure function of that hash, so that a wrong slot, a wrongly shared block or
/// a skipped token gives a wrong stream. A step is computed when it is launched, as if a device had
/// done the ones before; its samples are seen by nobody but the device until it is collected. Every
/// broken invariant of the batch throws logic_error.
class FakeBackend : public Backend {
  public:
    static constexpr int32_t n_vocab = 97;

    explicit FakeBackend(BackendInfo info)
        : info_(std::move(info)),
          pool_(static_cast<size_t>(info_.n_blocks) * static_cast<size_t>(info_.block_size)),
          lanes_(static_cast<size_t>(info_.max_sequences)) {}

    std::function<void()> before_launch, before_collect;  // to block or to fail in
    std::function<void(StepResult&)> after_collect;       // to spoil the result in
    std::function<bool()> on_prepare;                     // whether more is to be prepared

    const BackendInfo& info() const override { return info_; }

    void launch(const Batch& batch) override {
        if (before_launch) before_launch();
        require(n_in_flight() < info_.max_steps_in_flight, "no more steps in flight than may be");
        check_capabilities(batch, info_);
        check_shape(batch);
        std::set<int32_t> written;
        for (const BatchSequence& sequence : batch.sequences) enter_lane(sequence);
        for (const BatchSequence& sequence : batch.sequences) write(batch, sequence, written);
        StepResult result;
        require(awaiting_.empty(), "no step before the masks of the one before it");
        for (const BatchSequence& sequence : batch.sequences)
            if (sequence.sampling) sample(batch, sequence, result.samples);
        for (const BatchSequence& sequence : batch.sequences)
            for (int i = 0; i < sequence.n_scores(); ++i)
                result.scores.push_back(score(batch, sequence, i));
        for (const BatchSequence& sequence : batch.sequences) pool(batch, sequence, result.vectors);
        in_flight_.push_back(std::move(result));
    }

    void give_masks(std::span<const VocabularyMask> masks) override {
        const std::span<SampledToken> samples = in_flight_.back().samples;
        require(!awaiting_.empty() && masks.size() == samples.size(), "a mask for each sample");
        for (size_t i = 0; i < masks.size(); ++i)
            samples[i].token =
                allowed_token(samples[i].token, [&](int32_t id) { return masks[i].allows(id); });
        for (const Awaiting& row : awaiting_)
            accept(lanes_[row.lane], row.drafts, samples.subspan(row.begin));
        awaiting_.clear();
    }

    void collect(StepResult& result) override {
        if (before_collect) before_collect();
        require(n_in_flight() > 0, "nothing to collect");
        require(awaiting_.empty() || n_in_flight() > 1, "it has its masks");
        result = std::move(in_flight_.front());
        in_flight_.pop_front();
        if (after_collect) after_collect(result);
    }

    bool prepare() override {
        require(n_in_flight() == 0, "prepares where nothing is in flight");
        return on_prepare && on_prepare();
    }

    int n_in_flight() const { return static_cast<int>(in_flight_.size()); }

    static uint64_t extend(uint64_t context_hash, int32_t token) {
        uint64_t h = (context_hash + static_cast<uint32_t>(token) + 1) * 0x9e3779b97f4a7c15u;
        return h ^ (h >> 29);
    }
    static int32_t next_token(uint64_t context_hash, uint64_t seed, size_t n_output) {
        return static_cast<int32_t>(
            extend(context_hash ^ (seed * 0xbf58476d1ce4e5b9u), static_cast<int32_t>(n_output)) %
            n_vocab);
    }
    /// What the context's numbers say of a token.
    static ScoredToken score_of(uint64_t context_hash, int32_t token, int n_logprobs) {
        auto logprob = [=](int32_t id) {
            return -static_cast<float>(extend(context_hash, id) % 4096) / 64;
        };
        ScoredToken score{{token, logprob(token), {}}, 1 + next_token(context_hash, 7, 0)};
        for (int32_t id = 0; id < n_logprobs; ++id) score.given.top.push_back({id, logprob(id)});
        return score;
    }
    static constexpr int vector_size = 2;
    /// What the numbers of a token's context come to; whole, so that sums of them are exact.
    static std::vector<float> vector_of(uint64_t context_hash) {
        return {static_cast<float>(context_hash % 251), static_cast<float>(context_hash % 241)};
    }
    /// Where the token sees all of its sequence, whose hash it is.
    static std::vector<float> vector_of(uint64_t whole_hash, int position) {
        return vector_of(extend(whole_hash, position));
    }
    /// Takes one more into what was reduced so far; empty: nothing yet.
    static void reduce(Reduction reduction, int position, std::vector<float> one,
                       std::vector<float>& reduced) {
        if (reduction == Reduction::weighted_sum)
            for (float& x : one) x *= static_cast<float>(position + 1);
        if (reduction == Reduction::each)
            reduced.insert(reduced.end(), one.begin(), one.end());
        else if (reduced.empty())
            reduced = one;
        else
            for (size_t d = 0; d < one.size(); ++d)
                reduced[d] = reduction == Reduction::max ? std::max(reduced[d], one[d])
                                                         : reduced[d] + one[d];
    }
    /// The first that is allowed, from `token` on and around the vocabulary; kNoToken if none is.
    template <class Allows>
    static int32_t allowed_token(int32_t token, Allows allows) {
        for (int32_t i = 0; i < n_vocab; ++i)
            if (allows((token + i) % n_vocab)) return (token + i) % n_vocab;
        return kNoToken;
    }

  private:
    struct Cell {
        int32_t token = -1;
        int position = -1;
        uint64_t context_hash = 0;
    };
    struct Lane {
        uint64_t run = 0;
        int n_context = -1;            // negative: nobody was here yet
        std::vector<int32_t> sampled;  // in this run
    };

    static void require(bool condition, const char* what) {
        if (!condition) throw std::logic_error(std::string("FakeBackend: ") + what);
    }

    void check_shape(const Batch& batch) const {
        require(!batch.sequences.empty(), "the batch is empty");
        require(batch.tokens.size() <= static_cast<size_t>(info_.max_step_tokens), "step tokens");
        require(batch.sequences.size() <= static_cast<size_t>(info_.max_sequences), "sequences");
        require(batch.positions.size() == batch.tokens.size(), "one position a token");
        require(batch.slots.size() == batch.tokens.size(), "one slot a token");
        std::set<int> lanes;
        size_t n_tokens = 0, n_table = 0, n_samples = 0, n_scores = 0, n_vectors = 0;
        for (const BatchSequence& sequence : batch.sequences) {
            require(static_cast<size_t>(sequence.query_begin) == n_tokens, "tokens end to end");
            require(static_cast<size_t>(sequence.block_table_begin) == n_table, "tables too");
            require(0 <= sequence.lane && sequence.lane < info_.max_sequences, "lane in range");
            require(lanes.insert(sequence.lane).second, "a lane for each");
            n_tokens += sequence.n_query;
            n_table += (sequence.n_context + info_.block_size - 1) / info_.block_size;
            check_sampling(sequence, n_samples);
            n_samples += sequence.n_samples();
            check_scoring(sequence, n_scores);
            n_scores += sequence.n_scores();
            check_pooling(sequence, n_vectors);
            n_vectors += sequence.n_vectors();
        }
        require(n_tokens == batch.tokens.size(), "no token too many");
        require(n_table == batch.block_tables.size(), "no table entry too many");
    }

    static void check_sampling(const BatchSequence& sequence, size_t n_samples_before) {
        require(sequence.sampling || sequence.n_drafts == 0, "drafts are to be sampled after");
        if (!sequence.sampling) return;
        require(static_cast<size_t>(sequence.sample_begin) == n_samples_before, "samples too");
        require(sequence.n_drafts >= 0 && sequence.n_drafts < sequence.n_query, "drafts are last");
        require(static_cast<size_t>(sequence.n_drafts) <= sequence.output.size(), "and output");
        require(sequence.masks.empty() ||
                    sequence.masks.size() == static_cast<size_t>(sequence.n_samples()),
                "a mask a sample");
    }

    static void check_scoring(const BatchSequence& sequence, size_t n_scores_before) {
        if (sequence.targets.empty()) return;
        require(static_cast<size_t>(sequence.score_begin) == n_scores_before, "scores end to end");
        require(sequence.first_scored >= 0 && sequence.first_scored + sequence.n_scores() <=
                                                  sequence.n_query - sequence.n_samples(),
                "scored after tokens that are computed, and not sampled after");
    }

    static void check_pooling(const BatchSequence& sequence, size_t n_vectors_before) {
        if (sequence.n_pooled == 0) return;
        require(static_cast<size_t>(sequence.vector_begin) == n_vectors_before,
                "vectors end to end");
        require(sequence.first_pooled >= 0 &&
                    sequence.first_pooled + sequence.n_pooled <= sequence.n_query,
                "pooled of what is computed");
        require(!sequence.sampling && sequence.targets.empty(), "and nothing else");
    }

    void pool(const Batch& batch, const BatchSequence& sequence, std::vector<float>& vectors) {
        std::vector<float> made;
        const uint64_t whole = read(batch, sequence, sequence.n_context - 1).context_hash;
        for (int i = 0; i < sequence.n_pooled; ++i) {
            const int position = sequence.n_context - sequence.n_query + sequence.first_pooled + i;
            reduce(sequence.reduction, position,
                   info_.is_causal ? vector_of(read(batch, sequence, position).context_hash)
                                   : vector_of(whole, position),
                   made);
        }
        vectors.insert(vectors.end(), made.begin(), made.end());
    }

    /// A run begins once, and its chunks follow one another.
    void enter_lane(const BatchSequence& sequence) {
        Lane& lane = lanes_.at(sequence.lane);
        const int n_before = sequence.n_context - sequence.n_query;
        if (lane.n_context < 0 || lane.run != sequence.run) {
            require(runs_.insert(sequence.run).second, "a run has one lane and one stay there");
            lane = {sequence.run, n_before, {}};
        }
        require(lane.n_context == n_before, "a run skips and repeats nothing");
        lane.n_context = sequence.n_context;
    }

    /// The token that -1 - lane stands for.
    int32_t last_sampled(const BatchSequence& sequence, int32_t placeholder) const {
        require(info_.max_steps_in_flight > 1, "no placeholders: nothing is ever in flight");
        require(placeholder == -1 - sequence.lane, "the placeholder is of its own lane");
        require(n_in_flight() > 0, "the host knows what it collected");
        const std::vector<int32_t>& sampled = lanes_[sequence.lane].sampled;
        require(!sampled.empty(), "the lane sampled in this run");
        return sampled.back();
    }

    /// The whole sequence, placeholders at the end of its output resolved.
    std::vector<int32_t> known_tokens(const BatchSequence& sequence) const {
        std::vector<int32_t> known(sequence.prompt.begin(), sequence.prompt.end());
        known.insert(known.end(), sequence.output.begin(), sequence.output.end());
        const std::vector<int32_t>& sampled = lanes_[sequence.lane].sampled;
        const auto n_unknown = static_cast<size_t>(
            std::count_if(known.begin(), known.end(), [](int32_t token) { return token < 0; }));
        require(n_unknown <= in_flight_.size(), "a placeholder for each step in flight at most");
        require(n_unknown <= sampled.size(), "the run sampled what its placeholders stand for");
        for (size_t i = 0; i < n_unknown; ++i) {
            int32_t& token = known[known.size() - n_unknown + i];
            require(token == -1, "placeholders come last");
            token = sampled[sampled.size() - n_unknown + i];
        }
        return known;
    }

    int32_t slot_of(const Batch& batch, const BatchSequence& sequence, int position) const {
        int32_t block = batch.block_tables.at(sequence.block_table_begin +
                                              static_cast<size_t>(position / info_.block_size));
        require(0 <= block && block < info_.n_blocks, "block in range");
        return block * info_.block_size + position % info_.block_size;
    }

    /// What attention would read at `position`.
    const Cell& read(const Batch& batch, const BatchSequence& sequence, int position) const {
        const Cell& cell = pool_[slot_of(batch, sequence, position)];
        require(cell.position == position, "the cache holds this position");
        return cell;
    }

    void write(const Batch& batch, const BatchSequence& sequence, std::set<int32_t>& written) {
        require(sequence.n_query > 0 && sequence.n_query <= sequence.n_context, "n_query");
        const int first = sequence.n_context - sequence.n_query;
        for (int i = 0; i < sequence.n_query; ++i) {
            const int at = sequence.query_begin + i, position = first + i;
            require(batch.positions.at(at) == position, "positions are consecutive");
            const int32_t slot = batch.slots.at(at);
            require(slot == slot_of(batch, sequence, position), "the slot is the table's");
            require(written.insert(slot).second, "a slot is written once a step");
            uint64_t before = position == 0 ? 0 : read(batch, sequence, position - 1).context_hash;
            const int32_t token =
                batch.tokens[at] < 0 ? last_sampled(sequence, batch.tokens[at]) : batch.tokens[at];
            pool_[slot] = {token, position, extend(before, token)};
        }
    }

    /// One token after each of the last n_samples(). What was computed past the first wrong draft
    /// is to be computed again.
    void sample(const Batch& batch, const BatchSequence& sequence,
                std::vector<SampledToken>& samples) {
        const std::vector<int32_t> known = known_tokens(sequence);
        require(known.size() == static_cast<size_t>(sequence.n_context), "sampled at the end");
        const int first = sequence.n_context - sequence.n_samples();
        const size_t begin = samples.size();
        uint64_t hash = 0;
        for (int position = 0; position < sequence.n_context; ++position) {
            const Cell& cell = read(batch, sequence, position);
            require(cell.token == known[position], "the cache holds this token");
            hash = extend(hash, cell.token);
            require(cell.context_hash == hash, "the cache holds this context");
            if (position < first) continue;
            samples.push_back(draw(sequence, position - first, hash, batch.awaits_masks));
        }
        const auto drafts = sequence.output.last(sequence.n_drafts);
        if (batch.awaits_masks)
            awaiting_.push_back({sequence.lane, begin, {drafts.begin(), drafts.end()}});
        else
            accept(lanes_[sequence.lane], drafts, std::span(samples).subspan(begin));
    }

    /// What is sampled after a wrong guess is no token of the sequence.
    static void accept(Lane& lane, std::span<const int32_t> drafts,
                       std::span<const SampledToken> samples) {
        size_t n = 0;
        lane.sampled.push_back(samples[0].token);
        while (n < drafts.size() && drafts[n] == samples[n].token)
            lane.sampled.push_back(samples[++n].token);
        lane.n_context -= static_cast<int>(drafts.size() - n);
    }

    ScoredToken score(const Batch& batch, const BatchSequence& sequence, int index) const {
        const int after = sequence.n_context - sequence.n_query + sequence.first_scored + index;
        return score_of(read(batch, sequence, after).context_hash, sequence.targets[index],
                        sequence.n_score_logprobs);
    }

    static SampledToken draw(const BatchSequence& sequence, size_t index, uint64_t hash,
                             bool awaits_masks) {
        SampledToken sampled;
        const size_t n_output = sequence.output.size() - sequence.n_drafts + index;
        sampled.token = next_token(hash, sequence.sampling->seed, n_output);
        if (!awaits_masks && !sequence.masks.empty())
            sampled.token = allowed_token(
                sampled.token, [&](int32_t id) { return sequence.masks[index].allows(id); });
        return sampled;
    }

    BackendInfo info_;
    std::vector<Cell> pool_;
    std::vector<Lane> lanes_;
    std::set<uint64_t> runs_;  // all that ever began
    std::deque<StepResult> in_flight_;
    struct Awaiting {
        int lane;
        size_t begin;  // of its samples
        std::vector<int32_t> drafts;
    };
    std::vector<Awaiting> awaiting_;  // of the youngest step, those whose samples await masks
};

inline BackendInfo fake_info(int block_size, int n_blocks, int max_step_tokens, int max_sequences,
                             int max_steps_in_flight = 1) {
    BackendInfo info;
    info.device = "fake";
    info.block_size = block_size;
    info.n_blocks = n_blocks;
    info.max_step_tokens = max_step_tokens;
    info.max_sequences = max_sequences;
    info.max_steps_in_flight = max_steps_in_flight;
    info.n_vocab = FakeBackend::n_vocab;
    info.max_samples = 6;
    info.max_draft_rows = max_step_tokens;
    info.vocabulary_masks = true;
    info.max_scores = 6;
    info.max_vectors = std::max(6, max_sequences);
    info.vector_size = FakeBackend::vector_size;
    return info;
}

/// What FakeBackend samples for a sequence, token by token.
class FakeStream {
  public:
    FakeStream(std::span<const int32_t> prompt, uint64_t seed, bool is_constrained)
        : seed_(seed), is_constrained_(is_constrained) {
        for (const int32_t token : prompt) hash_ = FakeBackend::extend(hash_, token);
    }

    int32_t next() const {
        const int32_t token = FakeBackend::next_token(hash_, seed_, n_output_);
        if (!is_constrained_) return token;
        return FakeBackend::allowed_token(token,
                                          [this](int32_t id) { return grammar_.allows(id); });
    }
    void push(int32_t token) {
        hash_ = FakeBackend::extend(hash_, token);
        grammar_.accept(token);
        ++n_output_;
    }
    Completeness completeness() const {
        return is_constrained_ ? grammar_.completeness() : Completeness::complete;
    }

  private:
    uint64_t seed_, hash_ = 0;
    bool is_constrained_;
    FakeGrammar grammar_;
    size_t n_output_ = 0;
};

struct FakeAnswer {
    std::vector<int32_t> output;  // after the output that its request begins with
    FinishReason finish = FinishReason::length;
};
/// What FakeBackend gives this request when nothing disturbs it.
inline FakeAnswer expected_answer(const GenerationRequest& request) {
    FakeStream stream(request.prompt.tokens(), request.sampling.seed,
                      request.constraint.has_value());
    for (const int32_t token : request.output) stream.push(token);
    FakeAnswer answer;
    const auto& stops = request.sampling.stop_token_ids;
    const auto most = static_cast<size_t>(request.max_tokens);
    while (answer.finish == FinishReason::length &&
           request.output.size() + answer.output.size() < most) {
        const int32_t token = stream.next();
        if (token < 0) {
            const bool is_partial = stream.completeness() == Completeness::partial;
            answer.finish = is_partial ? FinishReason::error : FinishReason::stop;
            break;
        }
        answer.output.push_back(token);
        stream.push(token);
        if (std::ranges::find(stops, token) != stops.end() ||
            stream.completeness() == Completeness::final)
            answer.finish = FinishReason::stop;
    }
    return answer;
}
inline std::vector<int32_t> expected_output(const GenerationRequest& request) {
    return expected_answer(request).output;
}

/// What FakeBackend says of this request's prompt.
inline std::vector<ScoredToken> expected_scores(const GenerationRequest& request) {
    std::vector<ScoredToken> scores;
    uint64_t hash = 0;
    for (const int32_t token : request.prompt.tokens()) {
        if (hash != 0)
            scores.push_back(FakeBackend::score_of(hash, token, request.n_prompt_logprobs));
        hash = FakeBackend::extend(hash, token);
    }
    if (request.n_prompt_logprobs < 0) scores.clear();
    return scores;
}

/// What it makes of this request's prompt.
inline std::vector<float> expected_vectors(const GenerationRequest& request, bool is_causal) {
    const auto [pooling, begin, only_token] = *request.pooling;
    const auto prompt = request.prompt.tokens();
    const int n = static_cast<int>(prompt.size());
    const int first = pooling == Pooling::last ? n - 1 : begin;
    const int end = pooling == Pooling::first ? begin + 1 : n;
    uint64_t whole = 0, hash = 0;
    for (const int32_t token : prompt) whole = FakeBackend::extend(whole, token);
    std::vector<float> vectors;
    for (int i = 0; i < end; ++i) {
        const int32_t token = prompt[static_cast<size_t>(i)];
        hash = FakeBackend::extend(hash, token);
        if (i < first || (only_token && token != *only_token)) continue;
        FakeBackend::reduce(
            reduction_of(pooling), i,
            is_causal ? FakeBackend::vector_of(hash) : FakeBackend::vector_of(whole, i), vectors);
    }
    const double divisor = pooling_divisor(pooling, first, end - first);
    for (float& x : vectors) x = static_cast<float>(x / divisor);
    return vectors;
}

inline bool is_same(const TokenLogprob& a, const TokenLogprob& b) {
    return a.token == b.token && a.logprob == b.logprob;
}
inline bool is_same(const ScoredToken& a, const ScoredToken& b) {
    return a.given.token == b.given.token && a.given.logprob == b.given.logprob &&
           a.rank == b.rank && std::ranges::equal(a.given.top, b.given.top, [](auto& x, auto& y) {
               return is_same(x, y);
           });
}
inline bool is_same(const std::vector<ScoredToken>& a, const std::vector<ScoredToken>& b) {
    return std::ranges::equal(a, b, [](auto& x, auto& y) { return is_same(x, y); });
}

inline GenerationRequest make_request(SequenceId id, std::vector<int32_t> prompt, int max_tokens) {
    GenerationRequest request;
    request.id = id;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    return request;
}

/// n tokens that differ from those of another `family` everywhere.
inline std::vector<int32_t> make_prompt(int n, int family = 0) {
    std::vector<int32_t> prompt(n);
    for (int i = 0; i < n; ++i) prompt[i] = (i * 7 + family * 31) % FakeBackend::n_vocab;
    return prompt;
}

}  // namespace qwend
