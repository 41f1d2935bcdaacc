#include "daemon/engine/sequence.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace qwend {
namespace {

SamplingParams distinct(SamplingParams&& params) {
    make_distinct(params);
    return std::move(params);
}

/// The tokens of the prompt of which something is said.
int begin_of_report(const GenerationRequest& request) {
    if (!request.pooling) return 0;
    const bool is_last = request.pooling->pooling == Pooling::last;
    return is_last ? static_cast<int>(request.prompt.size()) - 1 : request.pooling->begin;
}

int end_of_report(const GenerationRequest& request) {
    const auto n_prompt = static_cast<int>(request.prompt.size());
    if (!request.pooling) return request.n_prompt_logprobs < 0 ? 0 : n_prompt - 1;
    return request.pooling->pooling == Pooling::first ? request.pooling->begin + 1 : n_prompt;
}

}  // namespace

Sequence::Sequence(GenerationRequest&& request, uint64_t arrival, double now,
                   std::shared_ptr<ChoiceGroup> group, bool late_masks)
    : id(request.id),
      sampling(distinct(std::move(request.sampling))),
      n_prompt(static_cast<int>(request.prompt.size())),
      max_tokens(request.max_tokens),
      n_to_report(end_of_report(request)),
      n_prompt_logprobs(request.n_prompt_logprobs),
      priority(request.priority),
      yields(request.yields),
      arrival(arrival),
      cache_salt(std::move(request.cache_salt)),
      group(std::move(group)),
      tokens(request.prompt.tokens().begin(), request.prompt.tokens().end()),
      awaits_last_token(request.awaits_last_token || (request.constraint && !late_masks)),
      n_reported(begin_of_report(request)),
      constraint(std::move(request.constraint)),
      drafter(std::move(request.drafter)),
      pooling(request.pooling) {
    times.submitted = now;
    tokens.insert(tokens.end(), request.output.begin(), request.output.end());
    if (constraint) std::ranges::for_each(request.output, constraint->accept);
}

void Sequence::expect_token() {
    tokens.push_back(-1);
    ++n_pending;
}

FinishReason Sequence::settle_token(int32_t token) {
    const size_t n_known = tokens.size() - n_pending + 1;
    if (token < 0) {
        tokens.resize(n_known - 1), n_pending = 0;
        return token == kNotANumber || completeness() == Completeness::partial ? FinishReason::error
                                                                               : FinishReason::stop;
    }
    tokens[n_known - 1] = token;
    --n_pending;
    if (constraint) constraint->accept(token);
    const auto& stops = sampling.stop_token_ids;
    FinishReason finish = FinishReason::none;
    if (std::find(stops.begin(), stops.end(), token) != stops.end() ||
        completeness() == Completeness::final)
        finish = FinishReason::stop;
    else if (n_sampled() >= max_tokens)
        finish = FinishReason::length;
    if (finish != FinishReason::none) tokens.resize(n_known), n_pending = 0;
    return finish;
}

Completeness Sequence::completeness() const {
    const bool is_told = constraint && constraint->completeness;
    return is_told ? constraint->completeness() : Completeness::complete;
}

TokenEvent event_of(const Sequence& sequence) {
    TokenEvent event;
    event.id = sequence.id;
    event.n_cached_tokens = sequence.n_cached;
    event.queue_seconds = sequence.times.scheduled - sequence.times.submitted;
    return event;
}

bool precedes(const Sequence& a, const Sequence& b) {
    return std::tie(a.priority, a.arrival) < std::tie(b.priority, b.arrival);
}

}  // namespace qwend
