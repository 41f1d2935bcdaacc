#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/field_reader.h"
#include "daemon/api/form_fields.h"
#include "daemon/api/openai/request.h"
#include "daemon/api/tool_fields.h"

namespace qwend {

/// Tokens no field may exceed, whatever the model.
inline constexpr int kMaxTokensLimit = 1 << 24;
/// Ids in logit_bias and allowed_token_ids.
inline constexpr size_t kMaxListedIds = 4096;
/// Entries of bad_words, and the bytes of each: every step looks at them.
inline constexpr size_t kMaxBadWords = 256, kMaxBadWordBytes = 128;
/// Likeliest tokens to report beside each.
inline constexpr int kMaxLogprobs = 20;
/// Functions a model may be offered.
inline constexpr size_t kMaxTools = 128;

/// Reads fields of a request into it, as FieldReader does.
class RequestReader {
  public:
    RequestReader(const RequestLimits& request_limits, OpenAiRequest& read_into)
        : read(request_limits.vocab_size),
          limits(request_limits),
          request(read_into),
          generation(read_into.generation),
          style(read_into.style) {}

    bool messages(const JsonValue& value);
    bool tools(const JsonValue& value);
    bool prompts(const JsonValue& value);
    bool no_prompt(const std::string& param);  // where there has to be one
    bool stops(const JsonValue& value);
    bool logit_bias(const JsonValue& value);
    bool bad_words(const JsonValue& value);
    bool stream_options(const JsonValue& value);
    bool documents(const JsonValue& value);
    bool template_kwargs(const JsonValue& value);

    FieldReader read;
    const RequestLimits& limits;
    OpenAiRequest& request;
    Generation& generation;  // the request's
    OpenAiStyle& style;      // the request's
    // Fields whose meaning depends on others, settled once all are read.
    std::vector<int32_t> tokens;  // of /detokenize
    bool lists_prompts = false;   // so that one is named by its place
    ToolChoice tool_choice;
    int completion_logprobs = -1, top_logprobs = -1;
    bool chat_logprobs = false;
    std::optional<int> max_completion_tokens;  // wins over max_tokens
    FormLayout form_layout;
    bool asks_generation_prompt = false;  // add_generation_prompt is true in so many words
};

}  // namespace qwend
