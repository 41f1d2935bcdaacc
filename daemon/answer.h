#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/engine.h"
#include "daemon/openai.h"
#include "daemon/served_model.h"
#include "daemon/tool_calls.h"
#include "model/stop.h"
#include "model/tokenizer.h"
#include "net/http.h"

namespace qwend {

/// One completion being answered: its choices are sequences of the engine, whose tokens become text
/// here, streamed or collected. Knows the dialect and the exchange, not the engine. Loop thread.
class Answer {
  public:
    Answer(ExchangePtr exchange, const ServedModel& model, CompletionRequest request,
           std::vector<std::vector<int32_t>> prompts);

    const ExchangePtr& exchange() const { return exchange_; }
    const CompletionRequest& request() const { return request_; }
    int n_choices() const { return int(choices_.size()); }
    const PromptTokens& prompt_of(int choice) const {
        return prompts_[size_t(choice) / size_t(request_.n)];
    }
    SequenceId& sequence_of(int choice) { return choices_[size_t(choice)].sequence; }

    /// Takes one event of a choice in. True if its sequence should now be cancelled: a stop string
    /// has been found, and what the engine goes on to generate is of no use.
    bool on_event(int choice, const TokenEvent& event);
    /// Sends what has come together since the last call; completes the exchange when every choice
    /// is done. True if it is complete, or failed: then fail() is left to say why.
    bool flush(double now);
    /// Ends with an error: its own status if nothing was sent, else an event, and a broken stream.
    void fail(const ApiError& error);
    /// A comment, if nothing was sent for `interval` seconds; a stream's headers if need be.
    void ping(double now, double interval);
    bool choice_done(int choice) const { return choices_[size_t(choice)].done; }
    Usage usage() const;
    bool failed() const { return failed_; }
    /// True on the first call since the last flush().
    bool touch() { return !std::exchange(touched_, true); }

  private:
    struct TokenInfo {  // for logprobs and ids
        SampledToken sampled;
        size_t text_offset = 0;  // in code points of the choice's text
    };
    struct Choice {
        SequenceId sequence = 0;
        StreamDecoder decoder;
        StopMatcher stops;
        ToolCallParser tool_parser;
        std::string pending;  // text to send, or the whole text when not streaming
        std::vector<ToolCall> pending_calls, calls;
        std::vector<TokenInfo> pending_tokens;
        std::vector<int32_t> token_ids;
        int n_tokens = 0, n_cached = 0, n_sent_calls = 0;
        size_t text_length = 0;  // code points
        FinishReason finish = FinishReason::none;
        std::optional<std::string> stop_reason;  // JSON
        bool done = false, opened = false, closed = false;
    };

    void add_text(Choice& choice, std::string text);
    void settle(Choice& choice, const TokenEvent& event);
    bool uses_tools() const { return !request_.chat_options.tools.empty(); }
    std::string_view finish_name(const Choice& choice) const;
    std::string token_text(int32_t token) const;

    void open_stream();
    void stream_choice(std::string& out, int index);
    void stream_end(std::string& out);
    void chunk(std::string& out, int index, std::string_view delta, std::string_view extra,
               const Choice* finished);
    std::string chat_logprobs(const Choice& choice) const;
    std::string text_logprobs(const Choice& choice) const;
    std::string logprobs(const Choice& choice) const;
    std::string message_json(const Choice& choice) const;
    std::string echo_text(int choice) const;
    HttpResponse whole() const;

    ExchangePtr exchange_;
    const ServedModel& model_;
    CompletionRequest request_;
    std::vector<PromptTokens> prompts_;
    std::vector<Choice> choices_;
    std::string head_;  // of every chunk: {"id":…,"model":…
    std::string out_;   // of one flush(); keeps its memory for the next
    double last_sent_ = 0;
    bool failed_ = false, touched_ = false;
};

/// Seconds of a clock that never jumps.
double monotonic_seconds();

}  // namespace qwend
