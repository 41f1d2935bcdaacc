#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"

namespace qwend {

/// OpenAI's routes, and vLLM's beside them.
std::vector<Route> openai_routes(const ApiContext& api);

}  // namespace qwend
