#pragma once

#include <cstdint>
#include <string>

#include "model/sampling.h"
#include "model/text/tokenizer.h"

namespace qwend {

// What an answer says of the probabilities of its tokens, where dialects say the same.

/// A token's text, with the bytes of it that are part of a character spelled "\xe4", and whether
/// there are such.
struct TokenName {
    std::string text;
    bool is_partial = false;
};
TokenName token_name(const Tokenizer& tokenizer, int32_t token);

/// A log-probability as a JSON number. JSON has no infinity: it is -9999, which clients know from
/// vLLM.
void append_logprob(std::string& out, float logprob);

/// {"token":…,"logprob":…,"bytes":[…],"top_logprobs":[{token,logprob,bytes}…]}: OpenAI's entry in
/// chat, which is Ollama's too. With `tokens_as_ids` tokens are named "token_id:5".
void append_token_logprobs(std::string& out, const SampledToken& sampled,
                           const Tokenizer& tokenizer, bool tokens_as_ids);

}  // namespace qwend
