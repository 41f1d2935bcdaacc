#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"

namespace qwend {

/// Embeddings, and what is made of them or of a head: OpenAI's /v1/embeddings; vLLM's /classify,
/// /pooling and /score; Jina's and Cohere's /rerank.
std::vector<Route> vector_routes(const ApiContext& api);

}  // namespace qwend
