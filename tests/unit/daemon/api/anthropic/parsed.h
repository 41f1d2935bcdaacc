#pragma once

#include <doctest/doctest.h>

#include <string>

#include "daemon/api/anthropic/request.h"

namespace qwend {

// Requests of Anthropic's dialect to a server that has the model "m" and calls it so or nothing.

inline std::optional<ApiError> parse_messages(const std::string& body, AnthropicRequest& request,
                                              const GenerationDefaults& defaults = {}) {
    const auto defaults_of = [&](std::string_view model) {
        return model.empty() || model == "m" ? &defaults : nullptr;
    };
    return parse_messages_request(body, defaults_of, request);
}

/// A request with some fields besides those that it must have.
inline std::optional<ApiError> parse_fields(const std::string& fields, AnthropicRequest& request) {
    return parse_messages(R"({"model":"m","max_tokens":9,"messages":[{"role":"user",)"
                          R"("content":"x"}])" +
                              (fields.empty() ? "" : "," + fields) + "}",
                          request);
}

/// The same, where there is nothing wrong with it.
inline AnthropicRequest with_fields(const std::string& fields) {
    AnthropicRequest request;
    CAPTURE(fields);
    const auto error = parse_fields(fields, request);
    CHECK((error ? error->message : "") == "");
    return request;
}

inline std::string param_of(const std::optional<ApiError>& error) {
    return error ? error->param : "none";
}

}  // namespace qwend
