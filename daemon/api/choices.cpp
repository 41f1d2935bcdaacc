#include "daemon/api/choices.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "net/clock.h"

namespace qwend {

Choices::Choices(const ModelText& model, Generation generation,
                 std::vector<std::vector<int32_t>> prompts)
    : model_(model),
      generation_(std::move(generation)),
      prompts_(std::make_move_iterator(prompts.begin()), std::make_move_iterator(prompts.end())) {
    const size_t n = prompts_.size() * size_t(generation_.n);
    choices_.reserve(n);
    if (model.output_format.tools == ToolFormat::qwen3_coder)
        tool_parameters_ = ToolParameters(generation_.chat_options.tools);
    while (choices_.size() < n)
        choices_.emplace_back(model.tokenizer, generation_, model.output_format, &tool_parameters_);
    times_.created = steady_seconds();
}

bool Choices::on_event(int index, const TokenEvent& event) {
    if (times_.queued < 0) times_.queued = event.queue_seconds;
    if (event.sampled.token >= 0) {
        times_.last_token = steady_seconds();
        if (times_.first_token < 0) times_.first_token = times_.last_token;
    }
    return at(index).on_event(event);
}

bool Choices::done() const {
    return std::all_of(choices_.begin(), choices_.end(),
                       [](const Choice& choice) { return choice.done(); });
}

Usage Choices::usage() const {
    Usage usage;
    for (const PromptTokens& prompt : prompts_) usage.prompt_tokens += int(prompt.size());
    for (const Choice& choice : choices_) {
        usage.completion_tokens += choice.n_tokens();
        usage.reasoning_tokens += choice.n_reasoning_tokens();
    }
    for (size_t i = 0; i < choices_.size(); i += size_t(generation_.n))
        usage.cached_tokens += choices_[i].n_cached();
    return usage;
}

void Choices::forget_texts() {
    generation_.messages = {};
    generation_.chat_options = {};
    generation_.prompts = {};
}

}  // namespace qwend
