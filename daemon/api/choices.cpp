#include "daemon/api/choices.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

#include "net/clock.h"

namespace qwend {

Choices::Choices(const ModelText& model, Generation generation,
                 std::vector<std::vector<int32_t>> prompts)
    : model_(model),
      generation_(std::move(generation)),
      n_each_(size_t(std::max(generation_.n, generation_.best_of))),
      prompts_(std::make_move_iterator(prompts.begin()), std::make_move_iterator(prompts.end())),
      scores_(prompts_.size()) {
    candidates_.reserve(prompts_.size() * n_each_);
    if (model.output_format.tools != ToolFormat::none)
        tool_parameters_ = ToolParameters(generation_.chat_options.tools);
    for (size_t prompt = 0; prompt < prompts_.size(); prompt++) {
        const size_t text_begin = echoed_code_points(prompt);
        for (size_t i = 0; i < n_each_; i++)
            candidates_.emplace_back(model.tokenizer, generation_, model.output_format,
                                     &tool_parameters_, text_begin);
    }
    times_.created = steady_seconds();
}

/// Only those who place tokens want to know.
size_t Choices::echoed_code_points(size_t prompt) const {
    if (!echoes_logprobs()) return 0;
    const auto* text = std::get_if<std::string>(&generation_.prompts.at(prompt));
    return text ? count_code_points(*text) : 0;
}

bool Choices::on_event(int index, const TokenEvent& event) {
    if (times_.queued < 0) times_.queued = event.queue_seconds;
    if (event.sampled.token >= 0) {
        times_.last_token = steady_seconds();
        if (times_.first_token < 0) times_.first_token = times_.last_token;
    }
    auto& scores = scores_[size_t(index) / n_each_];
    scores.insert(scores.end(), event.scores.begin(), event.scores.end());
    const bool ended_here = candidate(index).on_event(event);
    if (!chosen() && done()) choose();
    return ended_here;
}

/// Equally likely ones stay in their order, so that the same seed gives the same choices.
void Choices::choose() {
    for (size_t first = 0; first < candidates_.size(); first += n_each_) {
        std::vector<size_t> ranked(n_each_);
        std::iota(ranked.begin(), ranked.end(), first);
        std::ranges::stable_sort(ranked, std::ranges::greater(),
                                 [&](size_t i) { return candidates_[i].mean_logprob(); });
        order_.insert(order_.end(), ranked.begin(), ranked.begin() + generation_.n);
    }
}

size_t Choices::n_unchosen() const {
    size_t n = 0;
    if (!chosen())
        for (const Choice& candidate : candidates_) n += candidate.n_untaken();
    return n;
}

bool Choices::done() const {
    return std::ranges::all_of(candidates_, [](const Choice& choice) { return choice.done(); });
}

Usage Choices::usage() const {
    Usage usage;
    for (const PromptTokens& prompt : prompts_) usage.prompt_tokens += int(prompt.size());
    for (const Choice& candidate : candidates_) {
        usage.completion_tokens += candidate.n_tokens();
        usage.reasoning_tokens += candidate.n_reasoning_tokens();
    }
    for (size_t i = 0; i < candidates_.size(); i += n_each_)
        usage.cached_tokens += candidates_[i].n_cached();
    return usage;
}

void Choices::forget_texts() {
    generation_.messages = {};
    generation_.chat_options = {};
    generation_.prompts = {};
    generation_.suffix = {};
}

}  // namespace qwend
