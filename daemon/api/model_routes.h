#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"
#include "daemon/api/schema.h"

namespace qwend {

/// GET /v1/models and /v1/models/{id}. OpenAI, vLLM and Anthropic have the same paths and shapes
/// that do not contradict each other: a model is described for the clients of all of them.
std::vector<Route> model_routes(const ApiContext& api, RenderError render_error);
std::vector<NamedSchema> model_schemas();

}  // namespace qwend
