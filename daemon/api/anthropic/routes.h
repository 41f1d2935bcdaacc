#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"

namespace qwend {

/// Anthropic's routes, but for the models, whose routes are nobody's.
std::vector<Route> anthropic_routes(const ApiContext& api);

}  // namespace qwend
