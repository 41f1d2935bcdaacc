#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/choice.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// How tokens are written in logprobs.
struct LogprobStyle {
    const Tokenizer* tokenizer;
    bool chat;           // OpenAI's shape for chat, else for text completions
    bool tokens_as_ids;  // vLLM's return_tokens_as_token_ids
};

/// The lists of the text shape, without their brackets. In `tops` each token's dictionary has the
/// likeliest and, as OpenAI's, the token itself.
struct LogprobLists {
    std::string tops, tokens, logprobs, offsets;

    /// `sampled.logprob` and `top` are not looked at with `is_first`: nothing comes before the
    /// first token of a prompt, so there are none, which is null.
    void add(const LogprobStyle& style, const SampledToken& sampled, size_t text_offset,
             bool is_first = false);
};

/// What the text shape has of a prompt, in every choice. In pieces, since it may be long.
struct PromptLists {
    std::vector<ByteQueue::Shared> tops, tokens, logprobs, offsets;
};

/// Writes one "logprobs" object, token by token; what is written can be taken at any time.
/// Chat: {"content":[{token,logprob,bytes,top_logprobs:[…]}],"refusal":null}.
/// Text: {"top_logprobs":[{…}],"tokens":[…],"token_logprobs":[…],"text_offset":[…]}.
class LogprobWriter {
  public:
    /// `prompt`: what comes before the tokens that are added; nullptr: nothing.
    explicit LogprobWriter(LogprobStyle style, const PromptLists* prompt = nullptr);

    void add(const PlacedToken& token);
    /// The next part of the object; from the beginning to the last close(), parts make it whole.
    ByteQueue take() { return std::exchange(ready_, {}); }
    void close();

  private:
    LogprobStyle style_;
    bool is_first_ = true;  // of a list
    ByteQueue ready_;
    PromptLists prompt_;
    LogprobLists lists_;  // the text shape's; the largest, tops, is taken as it comes
};

}  // namespace qwend
