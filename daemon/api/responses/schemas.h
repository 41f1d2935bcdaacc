#pragma once

#include <vector>

#include "daemon/api/schema.h"

namespace qwend {

/// What goes in and out at the routes of OpenAI's Responses, for /openapi.json.
std::vector<NamedSchema> response_schemas();

}  // namespace qwend
