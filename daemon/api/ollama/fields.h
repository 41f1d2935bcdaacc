#pragma once

#include "daemon/api/field.h"
#include "daemon/api/ollama/reader.h"

namespace qwend {

/// Which requests a field belongs to.
enum OllamaScope : unsigned { kOllamaChat = 1, kOllamaGenerate = 2, kOllamaBoth = 3 };

/// Those that are read. Source: Ollama's ChatRequest and GenerateRequest.
const FieldTable<OllamaReader>& ollama_fields();

/// The members of `options`. Source: Ollama's Options and Runner in api/types.go.
const FieldTable<OllamaReader>& ollama_options();

}  // namespace qwend
