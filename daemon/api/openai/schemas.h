#pragma once

#include <vector>

#include "daemon/api/schema.h"

namespace qwend {

/// What goes in and out at OpenAI's routes and vLLM's, for /openapi.json.
std::vector<NamedSchema> openai_schemas();

}  // namespace qwend
