#pragma once

#include <cstdint>
#include <vector>

#include "daemon/api/choice.h"
#include "daemon/api/generation.h"
#include "daemon/api/model_text.h"

namespace qwend {

/// Tokens of an answer.
struct Usage {
    int prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
    int reasoning_tokens = 0;  // of the completion's
};

/// When an answer came, in steady_seconds(); negative: not yet.
struct AnswerTimes {
    double created = -1;      // its choices are known, and are about to be submitted
    double queued = -1;       // s from then until the first choice ran, as its event says
    double first_token = -1;  // of any choice
    double last_token = -1;
};

/// What a Generation has come to: its prompts as ids, and choices, `n` of each prompt.
class Choices {
  public:
    /// `model` outlives this.
    Choices(const ModelText& model, Generation generation,
            std::vector<std::vector<int32_t>> prompts);
    Choices(const Choices&) = delete;  // they refer to the generation

    const Generation& generation() const { return generation_; }
    const Tokenizer& tokenizer() const { return model_.tokenizer; }
    const std::vector<PromptTokens>& prompts() const { return prompts_; }

    int size() const { return int(choices_.size()); }
    Choice& at(int index) { return choices_[size_t(index)]; }
    const Choice& at(int index) const { return choices_[size_t(index)]; }
    size_t prompt_index(int choice) const { return size_t(choice) / size_t(generation_.n); }
    const PromptTokens& prompt_of(int choice) const { return prompts_[prompt_index(choice)]; }

    /// As Choice's, and notes the time.
    bool on_event(int index, const TokenEvent& event);
    const AnswerTimes& times() const { return times_; }

    bool done() const;  // every choice is
    Usage usage() const;

    /// Frees the texts of conversation and prompts, which have become ids: a stream may last.
    void forget_texts();

  private:
    const ModelText& model_;
    Generation generation_;
    std::vector<PromptTokens> prompts_;
    ToolParameters tool_parameters_;  // where calls are written so that they matter
    std::vector<Choice> choices_;
    AnswerTimes times_;
};

}  // namespace qwend
