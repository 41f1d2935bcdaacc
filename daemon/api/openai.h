#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/api/api_error.h"
#include "model/config.h"
#include "model/sampling.h"
#include "model/text/chat.h"
#include "model/utf8.h"

namespace qwend {

/// OpenAI's dialect with vLLM's extensions: JSON to structs and back, nothing else.
/// Source: OpenAI's API reference; vLLM's OpenAI-compatible server documentation.

/// {"error":{…}}.
std::string render_error(const ApiError& error);

/// For truncate_prompt_tokens: as many as the context holds beside what may be generated.
inline constexpr int kToContext = -1;

using Prompt = std::variant<std::string, std::vector<int32_t>>;  // text or token ids

/// A chat or text completion request. Numbers are in range; what needs the model (ids below the
/// vocabulary, the context's length) is checked later.
struct CompletionRequest {
    bool chat = false;
    std::string model;  // empty: whatever is served
    std::string request_id;

    std::vector<ChatMessage> messages;
    ChatOptions chat_options;
    std::vector<Prompt> prompts;
    bool add_special_tokens = true;
    std::optional<int> truncate_prompt_tokens;  // the last ones are kept; or kToContext

    SamplingParams sampling;
    std::optional<uint64_t> seed;
    std::optional<int> max_tokens;
    int n = 1;
    std::vector<std::string> stops;
    std::vector<int32_t> stop_token_ids;  // the client's; EOS is added by who knows the model
    bool include_stop = false, ignore_eos = false, skip_special_tokens = true, echo = false;

    bool stream = false, include_usage = false, continuous_usage = false;
    bool tokens_as_ids = false, return_token_ids = false;
    int priority = 0;
    std::string cache_salt;
    bool parallel_tool_calls = true;  // false: at most one call in an answer
    int n_unknown_fields = 0;
    std::vector<std::string> unknown_fields;  // the first few of their names, as excerpts
};

/// Limits a request is held to while it is parsed.
struct RequestLimits {
    int max_choices = 32;                      // n times prompts
    int vocab_size = 0;                        // ids in logit_bias, stop_token_ids, prompts
    std::span<const std::string> models = {};  // names that are served; empty: any
    bool allow_priority = false;               // else only priority 0
};

/// Parses `body`. `defaults` fill what the request leaves open. On error returns it, and `request`
/// is of no use.
std::optional<ApiError> parse_chat_request(std::string_view body,
                                           const GenerationDefaults& defaults,
                                           const RequestLimits& limits, CompletionRequest& request);
std::optional<ApiError> parse_completion_request(std::string_view body,
                                                 const GenerationDefaults& defaults,
                                                 const RequestLimits& limits,
                                                 CompletionRequest& request);

/// POST /tokenize and /apply-template: {prompt} or {messages}, with the options that shape them.
std::optional<ApiError> parse_tokenize_request(std::string_view body, const RequestLimits& limits,
                                               CompletionRequest& request);
/// POST /detokenize: {tokens}.
std::optional<ApiError> parse_detokenize_request(std::string_view body, const RequestLimits& limits,
                                                 std::vector<int32_t>& tokens);

struct Usage {
    int prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};
std::string render_usage(const Usage& usage);

}  // namespace qwend
