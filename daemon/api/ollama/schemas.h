#pragma once

#include <vector>

#include "daemon/api/schema.h"

namespace qwend {

/// What goes in and out at Ollama's routes, for /openapi.json.
std::vector<NamedSchema> ollama_schemas();

}  // namespace qwend
