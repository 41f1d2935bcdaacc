#pragma once

#include <vector>

#include "daemon/api/schema.h"

namespace qwend {

/// What goes in and out at Anthropic's routes, for /openapi.json.
std::vector<NamedSchema> anthropic_schemas();

}  // namespace qwend
