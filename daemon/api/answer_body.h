#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/choice.h"
#include "daemon/api/logprobs.h"
#include "daemon/api/openai.h"
#include "daemon/api/served_model.h"

namespace qwend {

/// The bytes of an answer in OpenAI's dialect, made as the tokens come, whether they are events of
/// a stream or one document: a call costs what is new, not what there is. Knows neither the engine
/// nor the exchange. Both forms are written from the same parts, so that they say the same.
class AnswerBody {
  public:
    /// `id` is for a request that names none. `request.prompts` has the texts if they are to be
    /// echoed.
    AnswerBody(const ServedModel& model, CompletionRequest request,
               std::vector<std::vector<int32_t>> prompts, std::string_view id);
    AnswerBody(const AnswerBody&) = delete;  // its choices refer to its request

    const CompletionRequest& request() const { return request_; }
    int n_choices() const { return int(choices_.size()); }
    const Choice& choice(int index) const { return choices_[size_t(index)]; }
    const PromptTokens& prompt_of(int choice) const {
        return prompts_[size_t(choice) / size_t(request_.n)];
    }

    /// As Choice's.
    bool on_event(int choice, const TokenEvent& event);
    void abandon(int choice) {
        choices_[size_t(choice)].abandon();
        ended_ = true;  // by an error, which is not this body's
    }
    bool done() const;  // every choice is
    Usage usage() const;

    /// Appends what can be sent now: the events of a stream that there are, or the next part of the
    /// document. What is appended once done() ends the body, unless a choice was abandoned: then it
    /// has no end.
    void take(std::string& out);
    /// Bytes of the document that wait until the choices before them are complete.
    size_t n_waiting() const;

  private:
    /// What is known of a choice of a document so far, as JSON.
    struct Draft {
        bool begun = false, closed = false;
        std::string ready = {};  // can be sent in the choice's turn
        std::string text = {}, calls = {}, token_ids = {};
        std::optional<LogprobWriter> logprobs = {};
    };
    /// One event's choice.
    struct Chunk {
        int index;
        std::string_view delta;              // its own member: "delta":{…} or "text":"…"
        std::string_view logprobs = "null";  // JSON
        std::string_view extra = {};         // more members, each after a comma
        bool finished = false;
    };

    LogprobStyle logprob_style() const {
        return {&model_.tokenizer, request_.chat, request_.tokens_as_ids};
    }
    /// What a choice repeats of its prompt, as JSON.
    struct Repeated {
        std::optional<std::string> text = {}, ids = {};
    };
    Repeated& repeated(int choice) { return repeated_[size_t(choice) / size_t(request_.n)]; }
    const std::string& echo_text(int choice);
    const std::string& prompt_token_ids(int choice);

    void stream_choice(std::string& out, int index);
    void open_choice(std::string& out, int index, std::string& extra);
    void stream_part(std::string& out, int index, const ChoicePart& part, std::string_view echo,
                     std::string_view extra);
    void stream_call(std::string& out, int index, const CallPart& call);
    void append_chunk(std::string& out, const Chunk& chunk);

    void draft_choice(int index);
    void begin_draft(Draft& draft, int index);
    void draft_calls(Draft& draft, const std::vector<CallPart>& calls);
    void close_draft(Draft& draft, int index);
    void release(std::string& out);

    const ServedModel& model_;
    CompletionRequest request_;
    std::vector<PromptTokens> prompts_;
    std::vector<Repeated> repeated_;  // of every prompt, once made for its first choice
    std::vector<Choice> choices_;
    std::vector<bool> opened_, closed_;  // of a stream's choices: its first, its last event is sent
    std::vector<Draft> drafts_;          // of a document
    std::string head_;  // of every event and of the document: {"id":…,"model":…
    size_t turn_ = 0;   // of the choice that the document is at
    bool began_ = false, ended_ = false;
};

}  // namespace qwend
