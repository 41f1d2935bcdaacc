#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace qwend {

/// The templates published with Qwen2 and Qwen2.5 Instruct, written out natively, and the system
/// prompt they begin with when a conversation has none (Qwen2.5-Math has another than Instruct).
struct ChatTemplate {
    enum Kind { none, qwen2, qwen2_5 };
    Kind kind = none;
    std::string default_system;
    std::string text = {};  // as it was published
    /// The one for requests with tools, where the checkpoint names another.
    std::shared_ptr<const ChatTemplate> tool_use = nullptr;
};

/// Recognises the templates of a folder, found where transformers finds them: chat_template.jinja
/// and additional_chat_templates/, else tokenizer_config.json, else chat_template.json. A folder
/// without one gives `none`. Throws LoadError if one that would be used is neither published
/// template, or if there are several and none is named "default".
ChatTemplate load_chat_template(const std::filesystem::path& dir);
/// The same for one template's text; `none` if it is neither.
ChatTemplate recognize_chat_template(std::string_view text);

}  // namespace qwend
