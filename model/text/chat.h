#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// A call the assistant made earlier in the conversation.
struct ChatToolCall {
    std::string name;
    std::string arguments;  // JSON text of an object; its keys keep their order
    std::string id = {};    // the client's; empty: none
};

struct ChatMessage {
    std::string role;  // system, developer, user, assistant, tool
    std::string content;
    std::vector<ChatToolCall> tool_calls;
    std::string reasoning = {};     // what an assistant thought before its content
    std::string tool_call_id = {};  // of a tool's answer; empty: none
    std::string name = {};          // of the tool, or of who speaks; empty: none
};

struct ChatOptions {
    std::vector<std::string> tools;       // each the JSON text of one element of `tools`
    bool add_generation_prompt = true;    // end with an opened assistant turn
    bool continue_final_message = false;  // end with the last message's content instead
    std::string reasoning_effort = {};    // a variable of that name; empty: none
    std::string documents = {};           // the JSON text of a list of objects; empty: none
    std::string template_kwargs = {};     // a JSON object of further variables, which win over the
                                          // two above; empty: none
};

/// A prompt as text, and what of it the template wrote: only there can control tokens be.
struct RenderedPrompt {
    std::string text;
    std::vector<ControlSpan> control_spans;
};

/// Renders byte for byte what Hugging Face's apply_chat_template gives. Returns an empty string in
/// `error` on success, else a message for the client (unknown role, what the template raised, …).
struct RenderResult {
    RenderedPrompt prompt;
    std::string error;
    std::string error_param;  // e.g. "messages[2].role"
};
RenderResult render_chat(const ChatTemplate& chat_template,
                         const std::vector<ChatMessage>& messages, const ChatOptions& options);

}  // namespace qwend
