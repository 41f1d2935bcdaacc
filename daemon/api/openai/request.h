#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "model/config.h"
#include "model/utf8.h"

namespace qwend {

/// How an answer is to look.
struct OpenAiStyle {
    bool chat = false;  // a chat completion, else a text completion
    std::string model;  // as the request names it; empty: whatever is served
    std::string request_id;
    bool stream = false, include_usage = false, continuous_usage = false;
    bool tokens_as_ids = false;     // vLLM's return_tokens_as_token_ids
    int prompt_logprobs = -1;       // vLLM's, beside each token of the prompt; -1: none
    bool include_reasoning = true;  // else what a model thinks is kept back
};

/// A body in OpenAI's dialect with vLLM's extensions. Sources: OpenAI's API reference; vLLM's
/// OpenAI-compatible server documentation.
struct OpenAiRequest {
    Generation generation;
    OpenAiStyle style;
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

/// What a request is held to, and what fills what it leaves open.
struct RequestRules {
    const GenerationDefaults& defaults;
    RequestLimits limits;
};
/// The rules of the model that a request names; for a name that is not served, any model's.
using RulesOf = std::function<RequestRules(std::string_view model)>;

/// Each parses `body`. On error it returns it, and `request` is of no use, but for its unknown
/// fields.
std::optional<ApiError> parse_chat_request(std::string_view body, const RulesOf& rules_of,
                                           OpenAiRequest& request);
std::optional<ApiError> parse_completion_request(std::string_view body, const RulesOf& rules_of,
                                                 OpenAiRequest& request);
/// POST /tokenize and /apply-template: {prompt} or {messages}, with the options that shape them.
std::optional<ApiError> parse_tokenize_request(std::string_view body, const RulesOf& rules_of,
                                               OpenAiRequest& request);
/// POST /detokenize: {tokens}, and perhaps the model's name.
std::optional<ApiError> parse_detokenize_request(std::string_view body, const RulesOf& rules_of,
                                                 std::string& model, std::vector<int32_t>& tokens);

}  // namespace qwend
