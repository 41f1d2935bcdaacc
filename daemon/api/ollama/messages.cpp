// A conversation as Ollama's clients send it.

#include <algorithm>

#include "daemon/api/conversation.h"
#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/reader.h"
#include "daemon/api/ollama/template_text.h"
#include "daemon/api/tool_fields.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxMessages = 4096, kMaxTools = 128;

bool read_calls(OllamaReader& r, const std::string& param, const JsonValue& value,
                ChatMessage& message) {
    if (!value.is_array()) return r.read.expected(param, "an array", value);
    for (const JsonValue element : value.elements()) {
        const std::string at = fmt::format("{}[{}].function", param, message.tool_calls.size());
        const auto function = element.member("function");
        ChatToolCall call{{}, "{}"};
        const auto name = function ? function->member("name") : std::nullopt;
        if (!name || !name->get(call.name))
            return r.read.expected(at, "an object with a name", element);
        if (const auto arguments = function->member("arguments"))
            call.arguments = call_arguments(*arguments);
        if (const auto id = element.member("id")) id->get(call.id);
        message.tool_calls.push_back(std::move(call));
    }
    return true;
}

bool read_message(OllamaReader& r, const std::string& param, const JsonValue& value) {
    if (!value.is_object()) return r.read.expected(param, "an object", value);
    ChatMessage message;
    std::string role;
    for (const auto& [key, field] : value.members()) {
        if (field.is_null()) continue;
        if (key == "role" && !r.read.string(param + ".role", field, role)) return false;
        if (key == "content" && !r.read.string(param + ".content", field, message.content))
            return false;
        if (key == "thinking" && !r.read.string(param + ".thinking", field, message.reasoning))
            return false;
        if (key == "tool_name") field.get(message.name);
        if (key == "tool_call_id") field.get(message.tool_call_id);
        if (key == "images" && !r.images(param + ".images", field)) return false;
        if (key == "tool_calls" && !read_calls(r, param + ".tool_calls", field, message))
            return false;
    }
    std::transform(role.begin(), role.end(), role.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; });
    message.role = template_role(role);
    if (message.role.empty())
        return r.read.fail(
            param + ".role",
            fmt::format("{}.role: expected system, user, assistant or tool, found \"{}\"", param,
                        excerpt(role)));
    r.generation.messages.push_back(std::move(message));
    return true;
}

}  // namespace

bool OllamaReader::messages(const JsonValue& value) {
    if (!value.is_array()) return read.expected("messages", "an array", value);
    for (const JsonValue element : value.elements()) {
        const size_t i = generation.messages.size();
        if (i == kMaxMessages)
            return read.fail("messages",
                             fmt::format("messages: expected at most {}", kMaxMessages));
        if (!read_message(*this, fmt::format("messages[{}]", i), element)) return false;
    }
    return true;
}

bool OllamaReader::tools(const JsonValue& value) {
    if (!value.is_array()) return read.expected("tools", "an array", value);
    std::vector<std::string>& tools = generation.chat_options.tools;
    for (const JsonValue element : value.elements()) {
        const std::string at = fmt::format("tools[{}]", tools.size());
        if (tools.size() == kMaxTools)
            return read.fail("tools", fmt::format("tools: expected at most {}", kMaxTools));
        std::string name;
        const auto function = element.member("function");
        const auto named = function ? function->member("name") : std::nullopt;
        if (!named || !named->get(name))
            return read.expected(at, "an object with a function that has a name", element);
        if (!read_offered_tool(read, at + ".function", *function, "parameters", std::move(name),
                               generation))
            return false;
        tools.emplace_back(element.raw());
    }
    if (!tools.empty() && !shows_tools(text.chat_template))
        return fail(ollama_not_capable(style.model, "tools"));
    return true;
}

bool OllamaReader::images(const std::string& param, const JsonValue& value) {
    if (!value.is_array()) return read.expected(param, "an array", value);
    const bool empty = !(value.elements().begin() != value.elements().end());
    return empty || read.unsupported(param, "the model takes text only");
}

}  // namespace qwend
