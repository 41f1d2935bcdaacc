#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"
#include "daemon/api/openai/logprobs.h"
#include "daemon/api/openai/request.h"
#include "daemon/api/text_offsets.h"

namespace qwend {

/// What an answer says of the tokens of its prompts, made as their scores come: vLLM's
/// prompt_logprobs, and the beginning of the logprobs of a choice that echoes its prompt. All of a
/// prompt's choices share it, since of a long prompt it is megabytes.
class PromptLogprobs {
  public:
    PromptLogprobs(const OpenAiStyle& style, const Choices& choices);

    /// Writes what has come, until it is AnswerRenderer::kEnoughBytes; false if there is more,
    /// which other turns of the loop are for.
    bool write(Choices& choices);
    /// Whether all of a choice's prompt is written, or nothing of it was asked for: the choice may
    /// begin.
    bool is_complete(const Choices& choices, int choice) const {
        const size_t prompt = choices.prompt_index(choice);
        return !is_wanted_ || prompts_[prompt].n_written == choices.prompts()[prompt].size();
    }

    /// Of a choice that may begin: nullptr if it echoes nothing, or without logprobs.
    const PromptLists* lists(const Choices& choices, int choice) const {
        return echoes_ ? &prompts_[choices.prompt_index(choice)].lists : nullptr;
    }
    /// The member prompt_logprobs, after a comma: [null,{"id":{logprob,rank,decoded_token}}…];
    /// empty if it was not asked for.
    const std::vector<ByteQueue::Shared>& member(const Choices& choices, int choice) const {
        return prompts_[choices.prompt_index(choice)].member;
    }

    /// All choices of a prompt have taken what they want of it.
    void forget(size_t prompt);
    /// Bytes of the prompts after this one.
    size_t n_waiting(size_t prompt) const;

  private:
    struct Prompt {
        std::optional<TextOffsets> offsets;
        std::vector<ScoredToken> scores;  // that came and are not written from `n_taken` on
        size_t n_taken = 0;
        size_t n_written = 0;    // tokens, the first included
        LogprobLists new_lists;  // since the last call of write()
        std::string new_member;
        PromptLists lists;
        std::vector<ByteQueue::Shared> member;
        size_t n_bytes = 0;  // of lists and member
    };

    bool write_prompt(Choices& choices, size_t index, size_t& n_left);
    void begin(Prompt& prompt, int32_t first_token);
    void add(Prompt& prompt, ScoredToken& score);
    static void keep(Prompt& prompt);

    const LogprobStyle style_;
    const int n_of_member_, n_of_lists_;  // likeliest tokens beside each; negative: no such thing
    const bool echoes_, is_wanted_;
    std::vector<Prompt> prompts_;
};

}  // namespace qwend
