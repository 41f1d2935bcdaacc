#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"

namespace qwend {

/// OpenAI's Responses: they are made, kept, and gone on from. What is kept is these routes' own.
std::vector<Route> response_routes(const ApiContext& api);

}  // namespace qwend
