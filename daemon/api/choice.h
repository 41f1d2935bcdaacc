#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/generation.h"
#include "daemon/api/output_format.h"
#include "daemon/api/reasoning.h"
#include "daemon/api/text_offsets.h"
#include "daemon/api/tool_calls.h"
#include "daemon/engine/sequence.h"
#include "model/text/stop.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// A token for logprobs, with its place: code points of all that was generated, reasoning and its
/// tags included, that were complete before it. What a stop string cuts off or a call takes out
/// still counts, and so does a prompt that is echoed.
struct PlacedToken {
    SampledToken sampled;
    size_t text_offset = 0;
    int n_calls = 0;      // of the choice that had begun when this token had come
    bool is_text = true;  // it is part neither of one of these nor of reasoning
};

/// A function call of an answer, or the next part of one.
struct CallPart {
    int index = 0;           // of the call in its choice
    std::string id, name;    // both only where the call begins; the id is 16 hexadecimal digits
    std::string arguments;   // JSON text, as the model wrote it
    size_t text_before = 0;  // bytes of the part's text that come before it
};

/// What has come to a choice since it was last asked.
struct ChoicePart {
    std::string reasoning;  // comes before the text
    std::string text;
    std::vector<CallPart> calls;
    std::vector<PlacedToken> tokens;  // if logprobs were asked for
    std::vector<int32_t> token_ids;   // if they were
};

/// One of an answer's choices: tokens of the engine become reasoning, text and calls. It decides
/// where stop strings and `parallel_tool_calls` end it; the same events give the same, however they
/// are taken. Stop strings are looked for in all that is generated, reasoning and calls included,
/// as at vLLM.
///
/// A call that the end cuts, be it a stop string, max_tokens or the model itself, is no call: with
/// Generation::whole_calls it comes as the text it is, as at vLLM. Without, its name may have been
/// sent, and what there is of its arguments stays sent, as at OpenAI. finish_name() is the same in
/// both and tells: "tool_calls" only if every call that began is complete.
class Choice {
  public:
    /// All outlive the choice. `parameters` are those of the generation's tools; nullptr: nothing
    /// is known of them. `text_begin`: code points of text before it.
    Choice(const Tokenizer& tokenizer, const Generation& generation, OutputFormat format = {},
           const ToolParameters* parameters = nullptr, size_t text_begin = 0);

    /// Not for FinishReason::error. True if the engine need not go on: the choice has ended here.
    bool on_event(const TokenEvent& event);
    /// A fault of the engine: nothing more comes.
    void abandon() { done_ = true; }
    ChoicePart take() { return std::exchange(new_, {}); }
    /// Bytes of memory, about, that what is to be taken has.
    size_t n_untaken() const;

    bool done() const { return done_; }
    bool abandoned() const { return done_ && finish_ == FinishReason::none; }
    int n_tokens() const { return n_tokens_; }
    int n_reasoning_tokens() const { return n_reasoning_tokens_; }
    /// The mean log-probability of its tokens, the one that ended it included, if the engine gives
    /// them; of none it is -infinity.
    double mean_logprob() const;
    int n_cached() const { return n_cached_; }
    FinishReason finish() const { return finish_; }  // none before it is done, or if abandoned
    /// stop, tool_calls, length or abort; cancelled before it is done.
    std::string_view finish_name() const;
    /// The stop string of the generation that ended it; nullptr: none did.
    const std::string* stop_string() const {
        return stop_string_ < 0 ? nullptr : &generation_->stops[size_t(stop_string_)];
    }
    /// Of the generation's stop_token_ids, the one that ended it; negative: none did.
    int32_t stop_token() const { return stop_token_; }

  private:
    bool skip_event(const TokenEvent& event);
    void on_token(const TokenEvent& event);
    void take_decoded(std::string_view decoded);
    bool is_hidden(int32_t token) const;
    bool in_text() const { return !in_call_ && !reasoning_.in_reasoning(); }
    void add_generated(std::string_view generated);
    void add_text(std::string_view text);
    void end(FinishReason finish);
    void take_pieces();
    void take_arguments(std::string_view text);
    void tell_call(CallPart call);

    const Tokenizer* tokenizer_;
    const Generation* generation_;
    bool uses_tools_;
    std::vector<int32_t>
        visible_tags_;  // that the tokenizer calls special, and a parser has to see
    TextOffsets offsets_;
    StopMatcher stops_;
    ReasoningParser reasoning_;
    ToolCallParser parser_;
    std::vector<ToolPiece> pieces_;
    ChoicePart new_;
    CallPart open_call_;  // where they are wanted whole: not complete yet
    int n_tokens_ = 0, n_reasoning_tokens_ = 0, n_cached_ = 0, n_calls_ = 0;
    double sum_logprob_ = 0;
    FinishReason finish_ = FinishReason::none;
    int stop_string_ = -1;
    int32_t stop_token_ = -1;
    bool done_ = false, call_cut_ = false, in_call_ = false;
};

}  // namespace qwend
