#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/choice.h"
#include "daemon/api/logprobs.h"
#include "daemon/api/model_text.h"
#include "daemon/api/openai.h"

namespace qwend {

/// The bytes of an answer in OpenAI's dialect, made as the tokens come, whether they are events of
/// a stream or one document: a call costs what is new, not what there is. Knows neither the engine
/// nor the exchange. Both forms are written from the same parts, so that they say the same.
class AnswerBody {
  public:
    /// `id` is for a request that names none. `request.prompts` has the texts if they are to be
    /// echoed. Any thread may make it, and where prompts are long one beside the loop should: what
    /// is repeated of them becomes JSON here.
    AnswerBody(const ModelText& model, CompletionRequest request,
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

    /// Appends the next of what can be sent now: the events of a stream that there are, or parts of
    /// the document. It is a bounded part, since what a body repeats of its prompts, or a choice
    /// that had to wait, may be long: behind() says whether there is more, to be taken in other
    /// turns of the loop. With nothing left once done(), the body has its end, unless a choice was
    /// abandoned: then it has none.
    void take(std::string& out);
    bool behind() const { return is_cut() || next_choice_ > 0 || has_news_; }
    /// What was taken may end in the middle of an event.
    bool is_cut() const { return !ready_.empty(); }
    /// Bytes of the document that wait until the choices before them are complete.
    size_t n_waiting() const;

  private:
    /// What is known of a choice of a document so far, as JSON.
    struct Draft {
        bool begun = false, closed = false;
        ByteQueue ready = {};  // can be sent in the choice's turn
        std::string text = {}, calls = {}, token_ids = {};
        std::optional<LogprobWriter> logprobs = {};
    };
    /// One event's choice.
    struct Chunk {
        int index;
        std::string_view delta;              // in chat the members of "delta", else "text"
        std::string_view logprobs = "null";  // JSON
        std::string_view extra = {};         // more members, each after a comma
        bool finished = false;
        // What a completion's first event repeats of its prompt.
        ByteQueue::Shared echo = {}, prompt_token_ids = {};
    };

    LogprobStyle logprob_style() const {
        return {&model_.tokenizer, request_.chat, request_.tokens_as_ids};
    }
    /// What every choice of a prompt repeats of it; nullptr: nothing.
    struct Repeated {
        ByteQueue::Shared text = {};  // of a JSON string, without its quotes
        ByteQueue::Shared ids = {};   // a member after a comma
    };
    Repeated repeat(size_t prompt) const;
    const Repeated& repeated(int choice) const {
        return repeated_[size_t(choice) / size_t(request_.n)];
    }

    void stream();
    void stream_choice(int index);
    void stream_part(int index, const ChoicePart& part, bool first);
    void stream_call(int index, const CallPart& call);
    void append_chunk(const Chunk& chunk);

    void draft_choice(int index);
    void begin_draft(Draft& draft, int index);
    void draft_calls(Draft& draft, const std::vector<CallPart>& calls);
    void close_draft(Draft& draft, int index);
    void release();

    const ModelText& model_;
    CompletionRequest request_;
    std::vector<PromptTokens> prompts_;
    std::vector<Repeated> repeated_;  // of every prompt
    std::vector<Choice> choices_;
    std::vector<bool> opened_, closed_;  // of a stream's choices: its first, its last event is sent
    std::vector<Draft> drafts_;          // of a document
    std::string head_;       // of every event and of the document: {"id":…,"model":…
    ByteQueue ready_;        // to be taken
    int next_choice_ = 0;    // of a stream: where to go on after a part; 0: they were all looked at
    size_t turn_ = 0;        // of the choice that the document is at
    bool has_news_ = false;  // since the choices were last looked at from the first one on
    bool began_ = false, ended_ = false;
};

}  // namespace qwend
