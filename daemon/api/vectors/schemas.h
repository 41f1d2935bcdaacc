#pragma once

#include <vector>

#include "daemon/api/schema.h"

namespace qwend {

/// What /openapi.json says of these requests and answers.
std::vector<NamedSchema> vector_schemas();

}  // namespace qwend
