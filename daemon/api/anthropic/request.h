#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "model/config.h"

namespace qwend {

/// How an answer is to look.
struct AnthropicStyle {
    std::string model;  // as the request names it; empty: whatever is served
    std::string request_id;
    bool stream = false;
    int max_tokens = 0;  // as the request has it; the context may hold less
};

/// A body in Anthropic's dialect. Source: Anthropic's API reference, "Messages".
struct AnthropicRequest {
    Generation generation;
    AnthropicStyle style;
    int n_unknown_fields = 0;
    std::vector<std::string> unknown_fields;  // the first few of their names, as excerpts
};

/// What the checkpoint of a name says of sampling; nullptr: no model of that name is served.
using DefaultsOf = std::function<const GenerationDefaults*(std::string_view model)>;

/// Each parses `body`. On error it returns it, and `request` is of no use, but for its unknown
/// fields.
std::optional<ApiError> parse_messages_request(std::string_view body, const DefaultsOf& defaults_of,
                                               AnthropicRequest& request);
/// POST /v1/messages/count_tokens: the same, and max_tokens may be absent.
std::optional<ApiError> parse_count_request(std::string_view body, const DefaultsOf& defaults_of,
                                            AnthropicRequest& request);

}  // namespace qwend
