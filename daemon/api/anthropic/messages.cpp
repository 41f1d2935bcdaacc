// How a conversation is read. It was partly written by a model, and a client sends it again with
// every turn: what can be understood is taken, so that no answer of ours makes the next request a
// 400 for ever.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/anthropic/reader.h"
#include "daemon/api/conversation.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxMessages = 4096;  // as templates count them: every result of a tool is one

/// What the blocks of a content come to.
struct Content {
    std::string text, reasoning;
    std::vector<ChatToolCall> calls;
    std::vector<ChatMessage> results;
    std::string_view separator = {};  // between blocks of text
    bool is_system = false;
};

using ReadBlock = bool (*)(MessagesReader& r, const std::string& at, const JsonValue& block,
                           Content& out);

bool read_content(MessagesReader& r, const std::string& at, const JsonValue& value, Content& out);

/// An empty text says nothing. Neither does what Claude Code puts first in its system prompt: it
/// names a client to whom a request is billed, and changes with every one, so that none would find
/// its prefix in the cache.
bool read_text(MessagesReader& r, const std::string& at, const JsonValue& block, Content& out) {
    constexpr std::string_view kBilling = "x-anthropic-billing-header:";
    const auto member = block.member("text");
    std::string text;
    if (member && member->is_null()) return true;
    if (!member || !member->get(text)) return r.read.expected(at + ".text", "a string", block);
    if (text.empty() || (out.is_system && text.starts_with(kBilling))) return true;
    if (!out.text.empty()) out.text += out.separator;
    out.text += text;
    return true;
}

/// Whatever is said of it: a model's thoughts are its own, signed or not.
bool read_thinking(MessagesReader&, const std::string&, const JsonValue& block, Content& out) {
    const auto member = block.member("thinking");
    std::string thinking;
    if (member && member->get(thinking)) out.reasoning += thinking;
    return true;
}

bool read_tool_use(MessagesReader& r, const std::string& at, const JsonValue& block, Content& out) {
    const auto name = block.member("name"), input = block.member("input");
    ChatToolCall call{{}, input ? call_arguments(*input) : "{}"};
    if (!name || !name->get(call.name)) return r.read.expected(at + ".name", "a string", block);
    if (const auto id = block.member("id")) id->get(call.id);
    out.calls.push_back(std::move(call));
    return true;
}

/// Whether it was an error is for the content to say: templates have no word for it.
bool read_tool_result(MessagesReader& r, const std::string& at, const JsonValue& block,
                      Content& out) {
    Content result;
    result.separator = "\n";
    const auto content = block.member("content");
    if (content && !read_content(r, at + ".content", *content, result)) return false;
    ChatMessage& message =
        out.results.emplace_back(ChatMessage{"tool", std::move(result.text), {}});
    if (const auto id = block.member("tool_use_id")) id->get(message.tool_call_id);
    return true;
}

bool read_search_result(MessagesReader& r, const std::string& at, const JsonValue& block,
                        Content& out) {
    const auto content = block.member("content");
    return !content || read_content(r, at + ".content", *content, out);
}

bool refuse_block(MessagesReader& r, const std::string& at, const JsonValue& block, Content&) {
    return r.read.fail(at + ".type", fmt::format("{}.type: only text is supported, found {}", at,
                                                 excerpt(block.member("type")->raw())));
}

/// Blocks of other types hold nothing that a template shows a model: thoughts that are encrypted,
/// what servers of Anthropic's did, and what clients of tomorrow may send.
const std::map<std::string_view, ReadBlock> kBlocks = {
    {"text", read_text},
    {"thinking", read_thinking},
    {"tool_use", read_tool_use},
    {"tool_result", read_tool_result},
    {"search_result", read_search_result},
    {"image", refuse_block},
    {"document", refuse_block},
};

/// A string, or an array of blocks.
bool read_content(MessagesReader& r, const std::string& at, const JsonValue& value, Content& out) {
    if (value.is_null()) return true;
    std::string text;
    if (value.get(text)) {
        out.text += text;
        return true;
    }
    if (!value.is_array()) return r.read.expected(at, "a string or an array of blocks", value);
    size_t i = 0;
    for (const JsonValue block : value.elements()) {
        const std::string block_at = fmt::format("{}[{}]", at, i++);
        std::string type;
        const auto named = block.member("type");
        if (!named || !named->get(type))
            return r.read.expected(block_at, "an object with a type", block);
        const auto found = kBlocks.find(type);
        if (found != kBlocks.end() && !found->second(r, block_at, block, out)) return false;
    }
    return true;
}

/// The system's turns within a conversation have had more than one name.
std::string role_of(const std::string& role) {
    if (role == "ctx" || role == "msg") return "system";
    const std::string known = template_role(role);
    return known == "tool" ? "" : known;
}

bool add(MessagesReader& r, ChatMessage message) {
    if (r.generation.messages.size() >= kMaxMessages)
        return r.read.fail(
            "messages",
            fmt::format("messages: expected at most {}, results of tools included", kMaxMessages));
    r.generation.messages.push_back(std::move(message));
    return true;
}

/// Results come right behind the calls that they answer, before what a user says besides.
bool add_user(MessagesReader& r, Content content) {
    const bool has_turn = !content.text.empty() || content.results.empty();
    for (ChatMessage& result : content.results)
        if (!add(r, std::move(result))) return false;
    return !has_turn || add(r, {"user", std::move(content.text), {}});
}

bool read_message(MessagesReader& r, const std::string& at, const JsonValue& value) {
    const auto role_member = value.member("role"), content_member = value.member("content");
    std::string name;
    if (!value.is_object()) return r.read.expected(at, "an object", value);
    if (!role_member) return r.read.fail(at + ".role", at + ".role: expected a role");
    if (!r.read.string(at + ".role", *role_member, name)) return false;
    const std::string role = role_of(name);
    if (role.empty())
        return r.read.fail(at + ".role",
                           fmt::format("{}.role: expected user, assistant or system, found \"{}\"",
                                       at, excerpt(name)));
    if (!content_member) return r.read.fail(at + ".content", at + ".content: expected content");
    Content content;
    content.is_system = role == "system" || role == "developer";
    if (!read_content(r, at + ".content", *content_member, content)) return false;
    if (role == "user") return add_user(r, std::move(content));
    if (content.is_system)
        return content.text.empty() || add(r, {role, std::move(content.text), {}});
    return add(
        r, {role, std::move(content.text), std::move(content.calls), std::move(content.reasoning)});
}

}  // namespace

bool MessagesReader::system(const JsonValue& value) {
    Content content;
    content.is_system = true;
    if (!read_content(*this, "system", value, content)) return false;
    system_text = std::move(content.text);
    return true;
}

bool MessagesReader::messages(const JsonValue& value) {
    if (!value.is_array()) return read.expected("messages", "an array", value);
    size_t i = 0;
    for (const JsonValue element : value.elements())
        if (!read_message(*this, fmt::format("messages[{}]", i++), element)) return false;
    return true;
}

}  // namespace qwend
