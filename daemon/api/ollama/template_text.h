#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/model_text.h"
#include "daemon/api/ollama/request.h"

namespace qwend {

/// Whether a chat template shows a model the tools it may call.
bool shows_tools(const ChatTemplate& chat_template);

/// Whether a model reasons before it answers, so that the two are told apart.
bool thinks(const ModelText& text);

/// Makes what /api/generate was given what the generation goes on from: the prompt as it is, the
/// gap between a prompt and its suffix, what an earlier answer left with one turn more, or a
/// conversation of one turn.
std::optional<ApiError> settle_prompt(const ModelText& text, std::string_view model_name,
                                      OllamaPrompt prompt, Generation& generation);

}  // namespace qwend
