// How a conversation is read. It was partly written by a model, and a client sends it again with
// every turn: what can be understood is taken, so that no answer of ours makes the next request a
// 400 for ever.

#include "daemon/api/openai/messages.h"
#include "daemon/api/conversation.h"

namespace qwend {

namespace {

/// A part of a content: its text, or a thought of the assistant's.
bool read_part(RequestReader& r, const std::string& at, const JsonValue& part, std::string& out,
               std::string& thought) {
    std::string type = "text";
    if (part.get(out)) return true;  // a bare string, as vLLM takes it
    const auto named = part.member("type");
    if (!part.is_object() || (named && !named->get(type)) || (!named && !part.member("text")))
        return r.read.expected(at, "an object with a type", part);
    if (type == "thinking" || type == "redacted_thinking" || type == "reasoning") {
        if (const auto text = part.member(type)) text->get(thought);
        return true;
    }
    const bool is_text = type == "text" || type == "input_text" || type == "output_text";
    if (!is_text && type != "refusal")
        return r.read.fail(at + ".type", fmt::format("{}.type: only text is supported, found {}",
                                                     at, excerpt(type)));
    const char* field = is_text ? "text" : "refusal";
    const auto text = part.member(field);
    if (text && text->is_null()) return true;
    return (text && text->get(out)) || r.read.expected(at + "." + field, "a string", part);
}

}  // namespace

bool read_content(RequestReader& r, const std::string& param, const JsonValue& value,
                  ChatMessage& message) {
    if (value.is_null() || value.get(message.content)) return true;
    if (!value.is_array())
        return r.read.expected(param, "a string or an array of text parts", value);
    size_t i = 0;
    for (const JsonValue part : value.elements()) {
        std::string text, thought;
        if (!read_part(r, fmt::format("{}[{}]", param, i++), part, text, thought)) return false;
        message.content += text;
        message.reasoning += thought;
    }
    return true;
}

namespace {

bool read_call(RequestReader& r, const std::string& at, const JsonValue& function,
               ChatMessage& message) {
    ChatToolCall call{{}, "{}"};
    bool has_name = false;
    for (const auto& [key, value] : function.members()) {
        if (key == "name") has_name = value.get(call.name);
        if (key == "arguments") call.arguments = call_arguments(value);
    }
    if (!has_name) return r.read.expected(at, "an object with a name", function);
    message.tool_calls.push_back(std::move(call));
    return true;
}

bool read_calls(RequestReader& r, const std::string& param, const JsonValue& value,
                ChatMessage& message) {
    if (!value.is_array()) return r.read.expected(param, "an array", value);
    for (const JsonValue element : value.elements()) {
        const std::string at = fmt::format("{}[{}].function", param, message.tool_calls.size());
        const auto function = element.member("function");
        if (!function) return r.read.expected(at, "an object with a name", element);
        if (!read_call(r, at, *function, message)) return false;
        if (const auto id = element.member("id")) id->get(message.tool_calls.back().id);
    }
    return true;
}

bool read_message(RequestReader& r, const std::string& param, const JsonValue& value) {
    if (!value.is_object()) return r.read.expected(param, "an object", value);
    ChatMessage message;
    std::string role;
    bool has_role = false, has_content = false;
    for (const auto& [key, field] : value.members()) {
        if (key == "role") {
            has_role = true;
            if (!r.read.string(param + ".role", field, role)) return false;
        } else if (key == "content") {
            has_content = true;
            if (!read_content(r, param + ".content", field, message)) return false;
        } else if (field.is_null()) {
            continue;
        } else if (key == "reasoning" || key == "reasoning_content") {
            // Two names of one text. What is no string is no reasoning, as at other servers.
            if (message.reasoning.empty()) field.get(message.reasoning);
        } else if (key == "name") {
            field.get(message.name);
        } else if (key == "tool_call_id") {
            field.get(message.tool_call_id);
        } else if (key == "tool_calls") {
            if (!read_calls(r, param + ".tool_calls", field, message)) return false;
        } else if (key == "function_call") {
            if (!read_call(r, param + ".function_call", field, message)) return false;
        }
    }
    message.role = template_role(role);
    if (message.role != "assistant") message.reasoning.clear();
    if (!has_role) return r.read.fail(param + ".role", param + ".role: expected a role");
    if (message.role.empty())
        return r.read.fail(
            param + ".role",
            fmt::format("{}.role: expected system, user, assistant or tool, found \"{}\"", param,
                        excerpt(role)));
    if (!has_content && message.role != "assistant" && message.role != "tool")
        return r.read.fail(param + ".content", param + ".content: expected content");
    r.generation.messages.push_back(std::move(message));
    return true;
}

}  // namespace

bool RequestReader::messages(const JsonValue& value) {
    if (!value.is_array()) return read.expected("messages", "an array", value);
    for (const JsonValue element : value.elements()) {
        const size_t i = generation.messages.size();
        if (i == kMaxMessages)
            return read.fail("messages",
                             fmt::format("messages: expected at most {}", kMaxMessages));
        if (!read_message(*this, fmt::format("messages[{}]", i), element)) return false;
    }
    return !generation.messages.empty() || read.fail("messages", "messages: expected at least one");
}

}  // namespace qwend
