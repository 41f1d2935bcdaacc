#pragma once

#include <string>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/ollama/request.h"

namespace qwend {

/// Answers of /api/chat and /api/generate: a line of JSON for each part and one for the end, with
/// no line between them that is none, or one document with the same members. They have one choice.
MakeRenderer ollama_renderer(OllamaStyle style);

/// The answer to a request that asks for the model and for nothing else.
std::string render_nothing_asked(const OllamaRequest& request);

}  // namespace qwend
