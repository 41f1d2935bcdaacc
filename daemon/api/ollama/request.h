#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/model_text.h"

namespace qwend {

/// How an answer is to look.
struct OllamaStyle {
    bool chat = false;  // a message, else a response
    std::string model;  // as the request names it
    bool stream = true;
    bool gives_context = false;  // the ids of prompt and answer, to go on from
    double arrived = -1;         // the request, in steady_seconds()
};

/// What /api/generate goes on from, before it is made a prompt.
struct OllamaPrompt {
    std::string prompt, suffix, system;
    std::vector<int32_t> context;  // ids of what came before
    bool raw = false;              // the prompt is all there is, control tokens included
};

/// A body of /api/chat or /api/generate. Source: Ollama's API documentation and api/types.go.
struct OllamaRequest {
    Generation generation;
    OllamaStyle style;
    /// Without messages or a prompt nothing is generated: the model is asked to be loaded, or to be
    /// unloaded.
    enum class Asks { generation, load, unload } asks = Asks::generation;
    int n_unknown_fields = 0;
    std::vector<std::string> unknown_fields;  // the first few of their names, as excerpts
};

/// The text of a model that is served under this name; else nullptr.
using TextOf = std::function<const ModelText*(std::string_view name)>;

/// Each parses `body`. On error it returns it, and `request` is of no use, but for its unknown
/// fields.
std::optional<ApiError> parse_ollama_chat(std::string_view body, const TextOf& text_of,
                                          OllamaRequest& request);
std::optional<ApiError> parse_ollama_generate(std::string_view body, const TextOf& text_of,
                                              OllamaRequest& request);

/// What a body says that asks for a model rather than for text.
struct OllamaModelRequest {
    std::string model;  // or "name", as it was called before
    bool stream = true;
};
/// For /api/show and /api/pull.
std::optional<ApiError> parse_ollama_model(std::string_view body, OllamaModelRequest& request);

}  // namespace qwend
