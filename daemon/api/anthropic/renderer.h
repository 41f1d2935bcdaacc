#pragma once

#include "daemon/api/answer_renderer.h"
#include "daemon/api/anthropic/request.h"

namespace qwend {

/// A message, as a stream or a document: both are written from the same parts, in the same order,
/// so that they say the same. `style` has the model's name and an id.
MakeRenderer anthropic_renderer(AnthropicStyle style);

}  // namespace qwend
