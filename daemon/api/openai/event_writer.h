#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"
#include "daemon/api/openai/logprobs.h"
#include "daemon/api/openai/prompt_logprobs.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// What chat and text completions say differently in an event's choice and around it.
struct EventForm {
    std::string_view open, close;  // of the member that has the delta: "delta":{…} or "text":"…"
    ByteQueue::Shared first = {};  // members of the first event, after its choices; or nullptr
};

/// The events of a stream of either kind: their envelope, their order and their end.
class EventWriter {
  public:
    EventWriter(const OpenAiStyle& style, EventForm form, const Choices& choices);

    /// What one event says of its choice.
    struct Delta {
        std::string_view text = {};           // between the form's `open` and `close`
        const ChoicePart* part = nullptr;     // whose logprobs and token ids go with it
        const PromptLists* prompt = nullptr;  // whose logprobs come before those
        ByteQueue::Shared before = {};        // comes before the text; or nullptr
        ByteQueue::Shared more = {};          // members after a comma; or nullptr
        bool finished = false;                // its last event
    };
    void append(ByteQueue& out, const Choices& choices, int index, const Delta& delta);

    /// Whether a choice has an end to tell: of an abandoned one an error tells the client.
    static bool ends(const Choice& choice);

    /// Writes what came to a choice since the last call; `first`: nothing was written of it yet.
    /// Its end has an event of its own unless it went with an event of the part.
    using WritePart = std::function<void(int index, const ChoicePart& part, bool first)>;
    /// As AnswerRenderer::write().
    bool write(Choices& choices, ByteQueue& out, const WritePart& write_part);
    const PromptLogprobs& prompt_logprobs() const { return prompt_logprobs_; }

  private:
    void write_choice(Choices& choices, ByteQueue& out, int index, const WritePart& write_part);
    void append_logprobs(ByteQueue& out, const Delta& delta) const;
    void forget_prompt(const Choices& choices, int index);
    void append_end(const Choices& choices, ByteQueue& out);

    const OpenAiStyle style_;
    const EventForm form_;
    const LogprobStyle logprob_style_;
    const std::string head_;
    PromptLogprobs prompt_logprobs_;
    std::vector<bool> opened_, closed_;  // of the choices: the first, the last event is written
    int next_choice_ = 0;                // where to go on after a part; 0: at the first
    bool began_ = false, ended_ = false;
};

}  // namespace qwend
