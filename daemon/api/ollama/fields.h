#pragma once

#include <map>
#include <string_view>

#include "daemon/api/ollama/reader.h"

namespace qwend {

/// Which requests a field belongs to.
enum OllamaScope : unsigned { kOllamaChat = 1, kOllamaGenerate = 2, kOllamaBoth = 3 };

/// A field of a request that is read. null is the same as absent and is not read.
struct OllamaField {
    unsigned scope;
    bool (*read)(OllamaReader&, const JsonValue&);
};

/// By name. Source: Ollama's ChatRequest and GenerateRequest.
const std::map<std::string_view, OllamaField>& ollama_fields();

}  // namespace qwend
