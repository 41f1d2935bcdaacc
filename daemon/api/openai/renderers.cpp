#include "daemon/api/openai/renderers.h"

#include <utility>

namespace qwend {

MakeRenderer openai_renderer(OpenAiStyle style) {
    return [style = std::move(style)](const Choices& choices) {
        return style.chat ? make_chat_renderer(style, choices) : make_text_renderer(style, choices);
    };
}

}  // namespace qwend
