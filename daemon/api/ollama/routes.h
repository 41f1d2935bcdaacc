#pragma once

#include <string_view>
#include <vector>

#include "daemon/api/api_context.h"
#include "daemon/api/route.h"

namespace qwend {

/// Ollama's routes.
std::vector<Route> ollama_routes(const ApiContext& api);

/// What its clients look for at GET /.
inline constexpr std::string_view kOllamaGreeting = "Ollama is running";

}  // namespace qwend
