#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/model_registry.h"
#include "daemon/api/schema.h"
#include "daemon/api/vectors.h"

namespace qwend {

/// Bodies of /api/embed, whose vectors have length 1, and of /api/embeddings, an older route for
/// one text, whose vector has the length that it has. Sources: Ollama's API documentation and
/// api/types.go. `arrived`: the request, in steady_seconds().
std::optional<ApiError> parse_ollama_embed(std::string_view body, const ModelRegistry& models,
                                           double arrived, ParsedVectors& parsed);
std::optional<ApiError> parse_ollama_embeddings(std::string_view body, const ModelRegistry& models,
                                                ParsedVectors& parsed);

/// What /openapi.json says of them.
std::vector<NamedSchema> ollama_embed_schemas();

}  // namespace qwend
