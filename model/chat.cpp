#include "model/chat.h"

#include <fmt/core.h>

#include "model/json.h"
#include "model/python_json.h"

namespace qwend {

namespace {

constexpr std::string_view kSystemOpening = "<|im_start|>system\n";

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
    bool is_last_open(size_t i) const {
        return options.continue_final_message && i + 1 == messages.size();
    }
    void end_turn(size_t i) {
        if (!is_last_open(i)) out.close();
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
    for (size_t i = 0; i < messages.size(); i++) {
        out.open(messages[i].role), out.text("\n"), out.text(messages[i].content);
        end_turn(i);
    }
    return true;
}

bool Renderer::render_tools_header() {
    out.open("system"), out.text("\n");
    out.text(messages[0].role == "system" ? messages[0].content : default_system);
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
    if (!message.content.empty()) out.text("\n"), out.text(message.content);
    for (size_t call = 0; call < message.tool_calls.size(); call++) {
        out.text("\n"), out.control("<tool_call>");
        out.text("\n{\"name\": \""), out.text(message.tool_calls[call].name);
        out.text("\", \"arguments\": ");
        if (!out.json(message.tool_calls[call].arguments))
            return fail("expected valid JSON",
                        fmt::format("messages[{}].tool_calls[{}].function.arguments", i, call));
        out.text("}\n"), out.control("</tool_call>");
    }
    end_turn(i);
    return true;
}

void Renderer::render_tool_response(size_t i) {
    if (i == 0 || messages[i - 1].role != "tool") out.open("user");
    out.text("\n"), out.control("<tool_response>");
    out.text("\n"), out.text(messages[i].content), out.text("\n");
    out.control("</tool_response>");
    if (i + 1 == messages.size() || messages[i + 1].role != "tool") end_turn(i);
}

bool Renderer::render_qwen2_5() {
    if (!options.tools.empty()) {
        if (!render_tools_header()) return false;
    } else {
        out.turn("system", messages[0].role == "system" ? messages[0].content : default_system);
    }
    for (size_t i = messages[0].role == "system" ? 1 : 0; i < messages.size(); i++) {
        const ChatMessage& message = messages[i];
        if (message.role == "tool") {
            render_tool_response(i);
        } else if (message.role == "assistant" && !message.tool_calls.empty()) {
            if (!render_tool_calls(i)) return false;
        } else {
            out.open(message.role), out.text("\n"), out.text(message.content);
            end_turn(i);
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

/// The published texts are known by their FNV-1a hash, with the default system prompt, the one part
/// that differs between checkpoints of a family, replaced by nothing and without white space at the
/// end, which some copies lack.
constexpr uint64_t kQwen2Hash = 0x0fbfb5c24e90177f;
constexpr uint64_t kQwen25Hash = 0xffed24008ffbdec5;

uint64_t fnv1a(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
    return hash;
}

/// What the template writes as system prompt where a conversation has none: the literal that runs
/// from its first "system\n" to "<|im_end|>".
std::string_view find_default_system(std::string_view text) {
    for (size_t at = 0; (at = text.find(kSystemOpening, at)) != std::string_view::npos;) {
        at += kSystemOpening.size();
        const size_t end = text.find("<|im_end|>", at);
        const size_t quote = text.find('\'', at);
        if (end != std::string_view::npos && end < quote) return text.substr(at, end - at);
    }
    return {};
}

std::string without(std::string_view text, std::string_view part) {
    std::string out(text);
    if (part.empty()) return out;
    for (size_t at; (at = out.find(part)) != std::string::npos;) out.erase(at, part.size());
    return out;
}

}  // namespace

ChatTemplate recognize_chat_template(std::string_view published) {
    // A newline in a literal is written as itself or as \\n, depending on the copy.
    std::string text(published);
    for (size_t at = 0; (at = text.find("\\n", at)) != std::string::npos; at++)
        text.replace(at, 2, "\n");
    text.erase(text.find_last_not_of(" \n") + 1);
    const std::string system(find_default_system(text));
    const uint64_t hash = fnv1a(without(text, system));
    if (hash == kQwen2Hash) return {ChatTemplate::qwen2, system};
    if (hash == kQwen25Hash) return {ChatTemplate::qwen2_5, system};
    return {};
}

ChatTemplate load_chat_template(const std::filesystem::path& dir) {
    std::string text, source;
    if (std::filesystem::exists(dir / "chat_template.jinja")) {  // newer folders keep it apart
        source = (dir / "chat_template.jinja").string();
        text = read_file(source);
    } else if (std::filesystem::exists(dir / "tokenizer_config.json")) {
        JsonFile json(dir / "tokenizer_config.json");
        source = json.name();
        if (!json.has("chat_template")) return {};
        std::string_view value;
        if (json.root().at_key("chat_template").get(value))
            json.fail("\"chat_template\": expected a string");
        text = value;
    } else {
        return {};
    }
    ChatTemplate found = recognize_chat_template(text);
    if (found.kind == ChatTemplate::none)
        throw LoadError(fmt::format(
            "{}: expected the chat template published with Qwen2-Instruct or Qwen2.5-Instruct, "
            "found another; qwend renders these two natively and no others yet",
            source));
    return found;
}

RenderResult render_chat(const ChatTemplate& chat_template,
                         const std::vector<ChatMessage>& messages, const ChatOptions& options) {
    Renderer renderer{chat_template.default_system, messages, options, {}, {}, {}};
    bool ok = false;
    if (chat_template.kind == ChatTemplate::none)
        renderer.fail("this checkpoint has no chat template; use /v1/completions", "messages");
    else if (messages.empty())
        renderer.fail("expected at least one message", "messages");
    else if (check_roles(renderer))
        ok = chat_template.kind == ChatTemplate::qwen2 ? renderer.render_qwen2()
                                                       : renderer.render_qwen2_5();
    if (ok && options.add_generation_prompt && !options.continue_final_message)
        renderer.out.open("assistant"), renderer.out.text("\n");
    RenderResult result{{}, std::move(renderer.error), std::move(renderer.error_param)};
    if (ok) result.prompt = renderer.out.take();
    return result;
}

}  // namespace qwend
