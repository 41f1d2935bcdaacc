#pragma once

#include "daemon/api/openai/request.h"

namespace qwend {

// The parsers of the dialect where the same holds for every model.

inline std::optional<ApiError> parse_chat_request(std::string_view body,
                                                  const GenerationDefaults& defaults,
                                                  const RequestLimits& limits,
                                                  OpenAiRequest& request) {
    return parse_chat_request(
        body,
        [&](std::string_view) {
            return RequestRules{defaults, limits};
        },
        request);
}

inline std::optional<ApiError> parse_completion_request(std::string_view body,
                                                        const GenerationDefaults& defaults,
                                                        const RequestLimits& limits,
                                                        OpenAiRequest& request) {
    return parse_completion_request(
        body,
        [&](std::string_view) {
            return RequestRules{defaults, limits};
        },
        request);
}

inline std::optional<ApiError> parse_tokenize_request(std::string_view body,
                                                      const RequestLimits& limits,
                                                      OpenAiRequest& request) {
    const GenerationDefaults defaults;
    return parse_tokenize_request(
        body,
        [&](std::string_view) {
            return RequestRules{defaults, limits};
        },
        request);
}

inline std::optional<ApiError> parse_detokenize_request(std::string_view body,
                                                        const RequestLimits& limits,
                                                        std::vector<int32_t>& tokens) {
    const GenerationDefaults defaults;
    std::string model;
    return parse_detokenize_request(
        body,
        [&](std::string_view) {
            return RequestRules{defaults, limits};
        },
        model, tokens);
}

}  // namespace qwend
