#pragma once

#include <doctest/doctest.h>

#include <string>

#include "daemon/api/responses/request.h"

namespace qwend {

// Requests of the dialect where the same holds for every model.

inline std::optional<ApiError> parse_response(std::string_view body, ResponseRequest& request,
                                              const ResponseTable& stored = {}) {
    static const GenerationDefaults defaults;
    return parse_response_request(
        body,
        [](std::string_view) {
            return RequestRules{defaults, {8, 1000}};
        },
        stored, request);
}

/// What a body with `input` and these members comes to: "ok", "unknown", the parameter that is not
/// supported with an asterisk, or the parameter that is wrong.
inline std::string judged(const std::string& members) {
    ResponseRequest request;
    const auto error = parse_response(R"({"input":"x",)" + members + "}", request);
    if (error) return error->param + (error->code == "unsupported_parameter" ? "*" : "");
    return request.base.n_unknown_fields ? "unknown" : "ok";
}

/// A conversation, a line a message: "role:content", then "(name arguments)" for each call.
inline std::string conversation_of(const ResponseRequest& request) {
    std::string out;
    for (const ChatMessage& message : request.base.generation.messages) {
        out += message.role + ":";
        if (!message.reasoning.empty()) out += "<" + message.reasoning + ">";
        out += message.content;
        for (const ChatToolCall& call : message.tool_calls)
            out += "(" + call.name + " " + call.arguments + ")";
        out += "\n";
    }
    return out;
}

inline StoredResponse stored_response(const std::string& id, const std::string& previous_id,
                                      const std::string& input, const std::string& output) {
    return {.id = id,
            .previous_id = previous_id,
            .input = std::make_shared<std::string>(input),
            .head = std::make_shared<std::string>("{\"output\":["),
            .output = output,
            .tail = "]}"};
}

}  // namespace qwend
