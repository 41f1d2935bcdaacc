#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/jinja/template.h"

namespace qwend {

/// A checkpoint's chat template: a Jinja template, which transformers renders a conversation with.
/// Immutable once loaded.
struct ChatTemplate {
    std::string text;    // as it was published; empty: there is none
    std::string source;  // its file
    std::string error;   // why it cannot be used; empty: it can, or there is none
    std::shared_ptr<const jinja::Template> parsed;                    // null: it cannot be used
    std::vector<std::pair<std::string, std::string>> special_tokens;  // by name: bos_token, …
    /// The one for requests with tools, where the checkpoint names another.
    std::shared_ptr<const ChatTemplate> tool_use = nullptr;

    bool is_usable() const { return parsed != nullptr; }
};

/// The templates of a folder, found where transformers finds them: chat_template.jinja and
/// additional_chat_templates/, else tokenizer_config.json, else chat_template.json; or `file`, if
/// it is not empty, in place of all of them. A template that cannot be parsed is no reason not to
/// load: it says in `error` what is wrong, as do several of which none is named "default". Throws
/// LoadError if a file cannot be read or is not what it should be.
ChatTemplate load_chat_template(const std::filesystem::path& dir,
                                const std::filesystem::path& file = {});
/// The same for one template's text.
ChatTemplate parse_chat_template(std::string_view text, std::string source = "");

}  // namespace qwend
