#pragma once

#include <string>

#include "daemon/api/api_error.h"

namespace qwend {

/// {"error":{message,type,param,code}}.
std::string render_openai_error(const ApiError& error);

}  // namespace qwend
