#include "model/text/chat.h"

#include <fmt/core.h>

#include "model/json.h"
#include "model/text/python_json.h"

namespace qwend {

namespace {

constexpr std::string_view kToolsHeader =
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are "
    "provided with function signatures within <tools></tools> XML tags:\n<tools>";

/// Collects text and remembers where the template itself wrote control tokens.
class PromptWriter {
  public:
    void text(std::string_view text) { prompt_.text.append(text); }
    void control(std::string_view token) {
        const size_t begin = prompt_.text.size();
        prompt_.text.append(token);
        prompt_.control_spans.push_back({begin, prompt_.text.size()});
    }
    void open(std::string_view role) { control("<|im_start|>"), text(role); }
    void close() { control("<|im_end|>"), text("\n"); }
    void turn(std::string_view role, std::string_view content) {
        open(role), text("\n"), text(content), close();
    }
    bool json(std::string_view json) { return append_python_json(prompt_.text, json); }
    RenderedPrompt take() { return std::move(prompt_); }

  private:
    RenderedPrompt prompt_;
};

struct Renderer {
    const std::string& default_system;
    const std::vector<ChatMessage>& messages;
    const ChatOptions& options;
    PromptWriter out;
    std::string error, error_param;

    bool fail(std::string message, std::string param) {
        error = std::move(message), error_param = std::move(param);
        return false;
    }
    bool is_continued(size_t i) const {
        return options.continue_final_message && i + 1 == messages.size();
    }
    /// Writes a message's content. False if the prompt ends there, whatever the template would have
    /// written behind it: then it is the last message, and to be continued.
    bool content(size_t i) {
        out.text(messages[i].content);
        return !is_continued(i);
    }
    void turn(size_t i) {
        out.open(messages[i].role), out.text("\n");
        if (content(i)) out.close();
    }
    bool render_qwen2();
    bool render_qwen2_5();
    bool render_tools_header();
    bool render_tool_calls(size_t i);
    void render_tool_response(size_t i);
};

bool Renderer::render_qwen2() {
    if (!options.tools.empty())
        return fail("this checkpoint's chat template (Qwen2) has no tools", "tools");
    if (messages[0].role != "system") out.turn("system", default_system);
    for (size_t i = 0; i < messages.size(); i++) turn(i);
    return true;
}

bool Renderer::render_tools_header() {
    out.open("system"), out.text("\n");
    if (messages[0].role != "system")
        out.text(default_system);
    else if (!content(0))
        return true;
    out.text(kToolsHeader);
    for (size_t i = 0; i < options.tools.size(); i++) {
        out.text("\n");
        if (!out.json(options.tools[i])) return fail("not valid JSON", fmt::format("tools[{}]", i));
    }
    out.text(
        "\n</tools>\n\nFor each function call, return a json object with function name and "
        "arguments within ");
    out.control("<tool_call>"), out.control("</tool_call>");
    out.text(" XML tags:\n");
    out.control("<tool_call>");
    out.text("\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n");
    out.control("</tool_call>"), out.close();
    return true;
}

bool Renderer::render_tool_calls(size_t i) {
    const ChatMessage& message = messages[i];
    out.open("assistant");
    if (!message.content.empty() || is_continued(i)) {
        out.text("\n");
        if (!content(i)) return true;
    }
    for (size_t call = 0; call < message.tool_calls.size(); call++) {
        out.text("\n"), out.control("<tool_call>");
        out.text("\n{\"name\": \""), out.text(message.tool_calls[call].name);
        out.text("\", \"arguments\": ");
        if (!out.json(message.tool_calls[call].arguments))
            return fail("expected valid JSON",
                        fmt::format("messages[{}].tool_calls[{}].function.arguments", i, call));
        out.text("}\n"), out.control("</tool_call>");
    }
    out.close();
    return true;
}

void Renderer::render_tool_response(size_t i) {
    if (i == 0 || messages[i - 1].role != "tool") out.open("user");
    out.text("\n"), out.control("<tool_response>");
    out.text("\n");
    if (!content(i)) return;
    out.text("\n"), out.control("</tool_response>");
    if (i + 1 == messages.size() || messages[i + 1].role != "tool") out.close();
}

bool Renderer::render_qwen2_5() {
    if (!options.tools.empty()) {
        if (!render_tools_header()) return false;
    } else if (messages[0].role == "system") {
        turn(0);
    } else {
        out.turn("system", default_system);
    }
    for (size_t i = messages[0].role == "system" ? 1 : 0; i < messages.size(); i++) {
        const ChatMessage& message = messages[i];
        if (message.role == "tool") {
            render_tool_response(i);
        } else if (message.role == "assistant" && !message.tool_calls.empty()) {
            if (!render_tool_calls(i)) return false;
        } else {
            turn(i);
        }
    }
    return true;
}

/// The role of every message is one the template has words for.
bool check_roles(Renderer& renderer) {
    for (size_t i = 0; i < renderer.messages.size(); i++) {
        const std::string& role = renderer.messages[i].role;
        if (role != "system" && role != "user" && role != "assistant" && role != "tool")
            return renderer.fail(
                fmt::format("expected system, user, assistant or tool, found \"{}\"", role),
                fmt::format("messages[{}].role", i));
    }
    return true;
}

}  // namespace

RenderResult render_chat(const ChatTemplate& chat_template,
                         const std::vector<ChatMessage>& messages, const ChatOptions& options) {
    const ChatTemplate& chosen =
        chat_template.tool_use && !options.tools.empty() ? *chat_template.tool_use : chat_template;
    Renderer renderer{chosen.default_system, messages, options, {}, {}, {}};
    bool ok = false;
    if (chosen.kind == ChatTemplate::none)
        renderer.fail("this checkpoint has no chat template; use /v1/completions", "messages");
    else if (messages.empty())
        renderer.fail("expected at least one message", "messages");
    else if (check_roles(renderer))
        ok = chosen.kind == ChatTemplate::qwen2 ? renderer.render_qwen2()
                                                : renderer.render_qwen2_5();
    if (ok && options.add_generation_prompt && !options.continue_final_message)
        renderer.out.open("assistant"), renderer.out.text("\n");
    RenderResult result{{}, std::move(renderer.error), std::move(renderer.error_param)};
    if (ok) result.prompt = renderer.out.take();
    return result;
}

}  // namespace qwend
