#pragma once

#include <memory>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// A chat completion or a text completion, as a stream or a document: both forms of one are written
/// from the same parts, so that they say the same. `style` has the model's name and an id.
std::unique_ptr<AnswerRenderer> make_chat_renderer(const OpenAiStyle& style,
                                                   const Choices& choices);
std::unique_ptr<AnswerRenderer> make_text_renderer(const OpenAiStyle& style,
                                                   const Choices& choices);
/// Whichever the style asks for.
MakeRenderer openai_renderer(OpenAiStyle style);

}  // namespace qwend
