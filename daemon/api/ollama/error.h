#pragma once

#include <string>
#include <string_view>

#include "daemon/api/api_error.h"

namespace qwend {

/// {"error":"text"}: an answer with the error's status, or the last line of a stream.
std::string render_ollama_error(const ApiError& error);

/// A 404 in the words that clients look for.
ApiError ollama_model_not_found(std::string_view name);
/// A 400 in the words that clients look for: `ability` is "tools", "thinking" or "insert".
ApiError ollama_not_capable(std::string_view name, std::string_view ability);

}  // namespace qwend
