#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer.h"

namespace qwend {

/// A call the assistant made earlier in the conversation.
struct ChatToolCall {
    std::string name;
    std::string arguments;  // JSON text; rendered with Python's json.dumps spacing, key order kept
};

struct ChatMessage {
    std::string role;  // system, user, assistant, tool
    std::string content;
    std::vector<ChatToolCall> tool_calls;
};

struct ChatOptions {
    std::vector<std::string> tools;       // each the JSON text of one element of `tools`
    bool add_generation_prompt = true;    // end with an opened assistant turn
    bool continue_final_message = false;  // leave the last message open instead
};

/// A prompt as text, and where in it the template wrote control tokens.
struct RenderedPrompt {
    std::string text;
    std::vector<ControlSpan> control_spans;
};

/// The templates published with Qwen2 and Qwen2.5 Instruct, written out natively, and the system
/// prompt they begin with when a conversation has none (Qwen2.5-Math has another than Instruct).
struct ChatTemplate {
    enum Kind { none, qwen2, qwen2_5 };
    Kind kind = none;
    std::string default_system;
};

/// Recognises the chat_template of DIR/tokenizer_config.json; a folder without one gives `none`.
/// Throws LoadError if it is neither published template.
ChatTemplate load_chat_template(const std::filesystem::path& dir);
/// The same for the template's text; `none` if it is neither.
ChatTemplate recognize_chat_template(std::string_view text);

/// Renders byte for byte what Hugging Face's apply_chat_template gives. Returns an empty string in
/// `error` on success, else a message for the client (unknown role, tool arguments not JSON, …).
struct RenderResult {
    RenderedPrompt prompt;
    std::string error;
    std::string error_param;  // e.g. "messages[2].role"
};
RenderResult render_chat(const ChatTemplate& chat_template,
                         const std::vector<ChatMessage>& messages, const ChatOptions& options);

}  // namespace qwend
