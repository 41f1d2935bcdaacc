#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/field_reader.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// Tokens no field may exceed, whatever the model.
inline constexpr int kMaxTokensLimit = 1 << 24;
/// Ids in logit_bias and allowed_token_ids.
inline constexpr size_t kMaxListedIds = 4096;
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
    bool stream_options(const JsonValue& value);
    bool documents(const JsonValue& value);
    bool template_kwargs(const JsonValue& value);

    FieldReader read;
    const RequestLimits& limits;
    OpenAiRequest& request;
    Generation& generation;  // the request's
    OpenAiStyle& style;      // the request's
    // Fields whose meaning depends on others, settled once all are read.
    bool lists_prompts = false;  // so that one is named by its place
    bool use_tools = true;
    std::vector<std::string> tool_names;                    // of the tools, in their order
    std::optional<std::vector<std::string>> allowed_tools;  // names of those that may be called
    int completion_logprobs = -1, top_logprobs = -1, best_of = -1;
    bool chat_logprobs = false;
    std::optional<int> max_completion_tokens;  // wins over max_tokens
    bool asks_generation_prompt = false;       // add_generation_prompt is true in so many words
};

}  // namespace qwend
