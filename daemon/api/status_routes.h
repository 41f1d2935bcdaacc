#pragma once

#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"
#include "daemon/api/schema.h"

namespace qwend {

/// What the process says of itself: whether it lives, how it is, what it counts, and a page.
std::vector<Route> status_routes(const ApiContext& api, RenderError render_error,
                                 std::string_view greeting);
std::vector<NamedSchema> status_schemas();

}  // namespace qwend
