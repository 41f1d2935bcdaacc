#pragma once

#include <string>
#include <string_view>

#include "daemon/api/ollama/request.h"
#include "tests/unit/daemon/api/demo_text.h"

namespace qwend {

/// A body as the dialect's parsers read it, for a server that has the demo checkpoint.
struct ParsedOllama {
    OllamaRequest request;
    std::optional<ApiError> error;

    ParsedOllama(bool chat, std::string_view body, const ModelText& text = *demo_text()) {
        const auto parse = chat ? parse_ollama_chat : parse_ollama_generate;
        error = parse(
            body,
            [&](std::string_view name) {
                return name.empty() || name == "m" || name == "m:latest" ? &text : nullptr;
            },
            request);
    }
    std::string message() const { return error ? error->message : "no error"; }
    const Generation& generation() const { return request.generation; }
    const SamplingParams& sampling() const { return request.generation.sampling; }
};

/// A chat of one message, with more members.
inline ParsedOllama parsed_chat(const std::string& members = "",
                                const ModelText& text = *demo_text()) {
    return {true,
            R"({"model":"m","messages":[{"role":"user","content":"hi"}])" +
                (members.empty() ? "" : "," + members) + "}",
            text};
}
inline ParsedOllama parsed_generate(const std::string& members,
                                    const ModelText& text = *demo_text()) {
    return {false, R"({"model":"m",)" + members + "}", text};
}
inline ParsedOllama parsed_options(const std::string& members) {
    return parsed_chat("\"options\":{" + members + "}");
}

}  // namespace qwend
