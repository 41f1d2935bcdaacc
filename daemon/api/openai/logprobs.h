#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "daemon/api/choice.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// How tokens are written in logprobs.
struct LogprobStyle {
    const Tokenizer* tokenizer;
    bool chat;           // OpenAI's shape for chat, else for text completions
    bool tokens_as_ids;  // vLLM's return_tokens_as_token_ids
};

/// Writes one "logprobs" object, token by token; what is written can be taken at any time.
/// Chat: {"content":[{token,logprob,bytes,top_logprobs:[…]}],"refusal":null}.
/// Text: {"top_logprobs":[{…}],"tokens":[…],"token_logprobs":[…],"text_offset":[…]}, where each
/// token's dictionary has the likeliest and, as OpenAI's, the sampled one.
class LogprobWriter {
  public:
    explicit LogprobWriter(LogprobStyle style);

    void add(const PlacedToken& token);
    /// The next part of the object; from the beginning to the last close(), parts make it whole.
    std::string take() { return std::exchange(ready_, {}); }
    void close();

  private:
    std::string name(int32_t token) const;
    void add_chat(const PlacedToken& token);
    void add_text(const PlacedToken& token);
    void append_tops(const SampledToken& sampled);

    LogprobStyle style_;
    int n_tokens_ = 0;
    std::string ready_;
    std::string tokens_, logprobs_, offsets_;  // the text shape's lists but the largest
};

}  // namespace qwend
