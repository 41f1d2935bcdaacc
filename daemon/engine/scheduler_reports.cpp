// What is said of the tokens of a prompt: their scores, and the vectors that are made of them.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "daemon/engine/scheduler.h"

namespace qwend {

bool Scheduler::can_pool(const GenerationRequest& request) const {
    const auto n_prompt = static_cast<int64_t>(request.prompt.size());
    const auto& [pooling, begin, only_token] = *request.pooling;
    if (max_vectors_ == 0 || begin < 0 || begin >= n_prompt) return false;
    if (is_causal_) return true;
    return n_prompt <= max_step_tokens_ && (pooling != Pooling::each || n_prompt <= max_vectors_);
}

/// How much the next `n_tokens` of a sequence give: something after each of which nothing is said
/// yet, or one vector of all.
int Scheduler::n_reports_of(const Sequence& sequence, int n_tokens) {
    const int begin = std::max(sequence.n_computed, sequence.n_reported);
    const int n =
        std::max(0, std::min(sequence.n_computed + n_tokens, sequence.n_to_report) - begin);
    return sequence.reports_each() ? n : std::min(n, 1);
}

/// How far the sequence's prefill goes, with so many tokens and reports left of the step.
int Scheduler::prefill_chunk(const Sequence& sequence, int n_tokens, int n_reports) const {
    const int n_chunk = std::min(n_tokens, sequence.n_uncomputed());
    const bool fits = n_reports_of(sequence, n_chunk) <= n_reports;
    if (!is_causal_) return fits && n_chunk == sequence.n_uncomputed() ? n_chunk : 0;
    if (fits) return n_chunk;
    return std::max(sequence.n_computed, sequence.n_reported) + n_reports - sequence.n_computed;
}

/// Once the tokens have moved, if they do. Those in flight count: what is said of them is given
/// even if the sequence is preempted meanwhile.
void Scheduler::add_reports(BatchSequence& row, Sequence& sequence) {
    const int first = row.n_context - row.n_query;
    const int begin = std::max(first, sequence.n_reported);
    const int end = std::min(row.n_context, sequence.n_to_report);
    if (begin >= end) return;
    sequence.n_reported = end;
    if (sequence.pooling) {
        row.reduction = reduction_of(sequence.pooling->pooling);
        row.first_pooled = begin - first;
        row.n_pooled = end - begin;
        row.vector_begin = std::exchange(n_batch_vectors_, n_batch_vectors_ + row.n_vectors());
        return;
    }
    row.targets = sequence.prompt().subspan(begin + 1, end - begin);
    row.first_scored = begin - first;
    row.score_begin = std::exchange(n_batch_scores_, n_batch_scores_ + row.n_scores());
    row.n_score_logprobs = sequence.n_prompt_logprobs;
}

void Scheduler::take_scores(Sequence& sequence, std::span<ScoredToken> scores,
                            std::vector<StepOutput>& outputs) {
    if (scores.empty()) return;
    const bool finite = std::ranges::none_of(
        scores, [](const ScoredToken& score) { return score.given.token == kNotANumber; });
    if (!finite) {
        outputs.push_back({&sequence, settle(sequence, {kNotANumber, 0, {}})});
        return;
    }
    TokenEvent event = event_of(sequence);
    event.scores.assign(std::make_move_iterator(scores.begin()),
                        std::make_move_iterator(scores.end()));
    outputs.push_back({&sequence, std::move(event)});
}

/// Steps are over in their order, so the last token's vector comes last.
void Scheduler::take_vectors(Sequence& sequence, const Launched& launched,
                             std::span<const float> vectors, std::vector<StepOutput>& outputs) {
    if (launched.n_vectors == 0 || sequence.state == SequenceState::finished) return;
    const auto size = static_cast<size_t>(vector_size_);
    vectors = vectors.subspan(static_cast<size_t>(launched.vector_begin) * size,
                              static_cast<size_t>(launched.n_vectors) * size);
    if (!std::ranges::all_of(vectors, [](float x) { return std::isfinite(x); })) {
        outputs.push_back({&sequence, settle(sequence, {kNotANumber, 0, {}})});
        return;
    }
    TokenEvent event = event_of(sequence);
    const bool is_last = launched.n_context >= sequence.n_to_report;
    event.vectors = sequence.reports_each()
                        ? wanted_vectors(sequence, launched.report_begin, vectors)
                        : reduced_vector(sequence, vectors, is_last);
    if (is_last) {
        if (sequence.run == launched.run && sequence.lane >= 0) land(sequence, launched.n_context);
        event.finish = FinishReason::stop;
        finish(sequence);
    }
    if (is_last || !event.vectors.empty()) outputs.push_back({&sequence, std::move(event)});
}

/// Of those after each of its tokens, from the one at `begin` on.
std::vector<float> Scheduler::wanted_vectors(const Sequence& sequence, int begin,
                                             std::span<const float> vectors) const {
    const auto& only = sequence.pooling->only_token;
    if (!only) return {vectors.begin(), vectors.end()};
    const auto size = static_cast<size_t>(vector_size_);
    std::vector<float> wanted;
    for (size_t i = 0; i * size < vectors.size(); ++i) {
        if (sequence.tokens[static_cast<size_t>(begin) + i] != *only) continue;
        const auto one = vectors.subspan(i * size, size);
        wanted.insert(wanted.end(), one.begin(), one.end());
    }
    return wanted;
}

/// The vector of all its tokens once the last step's is there; nothing before.
std::vector<float> Scheduler::reduced_vector(Sequence& sequence, std::span<const float> vector,
                                             bool is_last) {
    std::vector<float>& all = sequence.reduced;
    const auto [pooling, begin, only_token] = *sequence.pooling;
    const bool takes_most = reduction_of(pooling) == Reduction::max;
    if (all.empty())
        all.assign(vector.begin(), vector.end());
    else
        for (size_t d = 0; d < all.size(); ++d)
            all[d] = takes_most ? std::max(all[d], vector[d]) : all[d] + vector[d];
    if (!is_last) return {};
    const double divisor = pooling_divisor(pooling, begin, sequence.n_to_report - begin);
    if (divisor != 1)
        for (float& x : all) x = static_cast<float>(x / divisor);
    return std::move(all);
}

}  // namespace qwend
