#pragma once

#include <optional>
#include <string_view>

#include "daemon/api/api_error.h"
#include "model/json_document.h"

namespace qwend {

/// Parses the whole body of a request as one JSON object without duplicate keys, at any depth; or
/// says what it is instead. The document refers to the body.
std::optional<ApiError> parse_json_object(std::string_view body, JsonDocument& document);

}  // namespace qwend
