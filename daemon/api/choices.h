#pragma once

#include <cstdint>
#include <utility>
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

/// What a Generation has come to: its prompts as ids, and choices, `n` of each prompt. With
/// `best_of` more are generated, the candidates: a prompt's choices are then the n of them with the
/// highest mean log-probability of a token, as OpenAI has it, the likeliest first; they are known
/// once all candidates are done. Else the candidates are the choices.
class Choices {
  public:
    /// `model` outlives this.
    Choices(const ModelText& model, Generation generation,
            std::vector<std::vector<int32_t>> prompts);
    Choices(const Choices&) = delete;  // they refer to the generation

    const Generation& generation() const { return generation_; }
    const Tokenizer& tokenizer() const { return model_.tokenizer; }
    const std::vector<PromptTokens>& prompts() const { return prompts_; }

    int n_candidates() const { return int(candidates_.size()); }
    int n_candidates_each() const { return int(n_each_); }  // of a prompt
    Choice& candidate(int index) { return candidates_[size_t(index)]; }
    const Choice& candidate(int index) const { return candidates_[size_t(index)]; }
    const PromptTokens& prompt_of_candidate(int index) const {
        return prompts_[size_t(index) / n_each_];
    }

    int size() const { return int(prompts_.size()) * generation_.n; }
    Choice& at(int index) { return candidates_[candidate_of(index)]; }
    const Choice& at(int index) const { return candidates_[candidate_of(index)]; }
    size_t prompt_index(int choice) const { return size_t(choice) / size_t(generation_.n); }
    const PromptTokens& prompt_of(int choice) const { return prompts_[prompt_index(choice)]; }
    /// Whether it is known which candidates are the choices. Until then these have nothing to say.
    bool chosen() const { return !chooses() || !order_.empty(); }
    /// Whether candidates are chosen among, for which the engine has to give their logprobs.
    bool chooses() const { return generation_.best_of > generation_.n; }
    /// Bytes of memory, about, that candidates keep until it is known which are the choices.
    size_t n_unchosen() const;

    /// Whether the logprobs of a choice begin with those of its prompt.
    bool echoes_logprobs() const {
        return generation_.echo && generation_.n_prompt_logprobs >= 0 &&
               generation_.sampling.n_logprobs >= 0;
    }
    /// The scores of a prompt's tokens that came since the last call: in order, from the second
    /// token on.
    std::vector<ScoredToken> take_scores(size_t prompt) {
        return std::exchange(scores_[prompt], {});
    }

    /// As Choice's, of a candidate, and notes the time.
    bool on_event(int candidate, const TokenEvent& event);
    const AnswerTimes& times() const { return times_; }

    bool done() const;  // every candidate is
    /// Of all candidates: what is not reported was generated too, and counts, as at OpenAI.
    Usage usage() const;

    /// Frees the texts of conversation and prompts, which have become ids: a stream may last.
    void forget_texts();

  private:
    size_t candidate_of(int choice) const {
        return order_.empty() ? size_t(choice) : order_[size_t(choice)];
    }
    void choose();
    size_t echoed_code_points(size_t prompt) const;

    const ModelText& model_;
    Generation generation_;
    size_t n_each_;  // candidates of a prompt
    std::vector<PromptTokens> prompts_;
    ToolParameters tool_parameters_;
    std::vector<Choice> candidates_;  // prompt by prompt
    std::vector<size_t> order_;       // of each choice its candidate, once chosen; empty: its own
    std::vector<std::vector<ScoredToken>> scores_;  // of each prompt, not taken yet
    AnswerTimes times_;
};

}  // namespace qwend
