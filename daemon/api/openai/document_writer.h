#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"
#include "daemon/api/openai/logprobs.h"
#include "daemon/api/openai/prompt_logprobs.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// A document of either kind: its choices are drafted as their tokens come, and written in order.
class DocumentWriter {
  public:
    /// What is known of a choice so far, as JSON.
    struct Draft {
        bool begun = false, closed = false;
        ByteQueue ready = {};  // can be sent in the choice's turn
        std::string text = {}, reasoning = {}, calls = {}, token_ids = {};
        std::optional<LogprobWriter> logprobs = {};
    };

    /// `first`: members before the choices; or nullptr.
    DocumentWriter(const OpenAiStyle& style, ByteQueue::Shared first, const Choices& choices);

    /// Writes what a complete draft says, into `ready`, with append_end() in it.
    using WriteContent = std::function<void(int index, Draft& draft)>;
    /// As AnswerRenderer::write().
    bool write(Choices& choices, ByteQueue& out, const WriteContent& write_content);
    size_t n_waiting() const { return n_waiting_; }
    const PromptLogprobs& prompt_logprobs() const { return prompt_logprobs_; }

    /// The members with which a choice of either kind ends: why, and its token ids.
    void append_end(Draft& draft, const Choices& choices, int index) const;

  private:
    void draft_choice(Choices& choices, int index, const WriteContent& write_content);
    void begin_draft(Draft& draft, const Choices& choices, int index);
    void release(const Choices& choices, ByteQueue& out);
    size_t count_waiting(const Choices& choices) const;

    const LogprobStyle logprob_style_;
    const std::string head_;
    const ByteQueue::Shared first_;
    PromptLogprobs prompt_logprobs_;
    std::vector<Draft> drafts_;
    size_t turn_ = 0;  // of the choice that is being written
    size_t n_waiting_ = 0;
    bool began_ = false, ended_ = false;
};

}  // namespace qwend
