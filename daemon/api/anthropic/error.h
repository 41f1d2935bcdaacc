#pragma once

#include <string>

#include "daemon/api/api_error.h"

namespace qwend {

/// {"type":"error","error":{type,message},"request_id"}, with Anthropic's own types.
std::string render_anthropic_error(const ApiError& error);

}  // namespace qwend
