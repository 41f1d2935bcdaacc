// How a conversation is read that is a list of items. As with chat's messages, what can be
// understood is taken: clients send again what we and others answered them.

#include "daemon/api/conversation.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/openai/messages.h"
#include "daemon/api/responses/reader.h"

namespace qwend {

bool ResponseReader::items(const std::string& param, const JsonValue& value) {
    std::string text;
    if (value.get(text)) {
        in_turn_ = false;
        return add({"user", std::move(text), {}});
    }
    if (!value.is_array()) return read.expected(param, "a string or an array of items", value);
    size_t i = 0;
    for (const JsonValue element : value.elements())
        if (!item(fmt::format("{}[{}]", param, i++), element)) return false;
    return true;
}

/// What is not known is not shown to the model, and does not part what it said before and after.
bool ResponseReader::item(const std::string& at, const JsonValue& item) {
    std::string type;
    const auto named = item.member("type");
    const bool is_message = !named && item.member("role");
    if (!is_message && (!named || !named->get(type)))
        return read.expected(at, "an object with a type", item);
    if (is_message || type == "message") return message(at, item);
    if (type == "function_call") return call(at, item, false);
    if (type == "custom_tool_call") return call(at, item, true);
    if (type == "function_call_output" || type == "custom_tool_call_output")
        return call_output(at, item);
    if (type == "item_reference")
        return read.unsupported(at + ".type", "send the item itself, or previous_response_id");
    type == "reasoning" ? think(item) : note_unknown("input." + type);
    return true;
}

/// Its text, or else what was told of it; a client may have neither, or what only another server
/// can read. Templates say whether a model is shown it.
void ResponseReader::think(const JsonValue& item) {
    std::string text;
    for (const char* list : {"content", "summary"}) {
        const auto parts = item.member(list);
        if (!parts || !text.empty()) continue;
        for (const JsonValue part : parts->elements()) {
            std::string more;
            const auto given = part.member("text");
            if (given && given->get(more)) text += more;
        }
    }
    thoughts_ += text;
}

/// What an assistant thought becomes part of the turn that followed.
void ResponseReader::join(ChatMessage& turn) {
    turn.reasoning += thoughts_;
    thoughts_.clear();
}

/// An assistant's message joins the turn that its calls began; a second one is a turn of its own.
bool ResponseReader::message(const std::string& at, const JsonValue& item) {
    ChatMessage message;
    std::string role;
    const auto named = item.member("role"), content = item.member("content");
    if (!named) return read.fail(at + ".role", at + ".role: expected a role");
    if (!read.string(at + ".role", *named, role)) return false;
    message.role = template_role(role);
    if (message.role.empty() || message.role == "tool")
        return read.fail(at + ".role",
                         fmt::format("{}.role: expected system, developer, user or assistant, "
                                     "found \"{}\"",
                                     at, excerpt(role)));
    const bool is_ours = message.role == "assistant";
    if (!content && !is_ours) return read.fail(at + ".content", at + ".content: expected content");
    if (content && !read_content(base, at + ".content", *content, message)) return false;
    if (is_ours && in_turn_ && generation.messages.back().content.empty()) {
        generation.messages.back().content = std::move(message.content);
        join(generation.messages.back());
        return true;
    }
    in_turn_ = is_ours;
    if (is_ours) join(message);
    thoughts_.clear();
    return add(std::move(message));
}

/// A call joins the assistant's turn. `custom`: of a tool that takes text, which is to the model a
/// function of one string.
bool ResponseReader::call(const std::string& at, const JsonValue& item, bool custom) {
    ChatToolCall call{{}, "{}"};
    std::string name_space;
    bool has_name = false;
    for (const auto& [key, value] : item.members()) {
        std::string input;
        if (key == "name") has_name = value.get(call.name);
        if (key == "namespace") value.get(name_space);
        if (key == "call_id") value.get(call.id);
        if (key == "arguments" && !custom) call.arguments = call_arguments(value);
        if (key == "input" && custom && value.get(input))
            call.arguments =
                JsonWriter().begin_object().key("input").string(input).end_object().take();
    }
    if (!has_name) return read.expected(at, "an object with a name", item);
    call.name = called_name(name_space, call.name);
    if (!in_turn_ && !add({"assistant", {}, {}})) return false;
    in_turn_ = true;
    join(generation.messages.back());
    generation.messages.back().tool_calls.push_back(std::move(call));
    return true;
}

/// A string, parts, or whatever a client's tool gave.
bool ResponseReader::call_output(const std::string& at, const JsonValue& item) {
    ChatMessage message{"tool", {}, {}};
    const auto output = item.member("output");
    if (output && (output->is_null() || output->is_string() || output->is_array())) {
        if (!read_content(base, at + ".output", *output, message)) return false;
    } else if (output) {
        message.content = output->raw();
    }
    if (const auto id = item.member("call_id")) id->get(message.tool_call_id);
    in_turn_ = false;
    thoughts_.clear();
    return add(std::move(message));
}

bool ResponseReader::add(ChatMessage message) {
    if (generation.messages.size() == kMaxMessages)
        return read.fail("input", fmt::format("input: expected at most {} turns, those of previous "
                                              "responses included",
                                              kMaxMessages));
    generation.messages.push_back(std::move(message));
    return true;
}

bool ResponseReader::previous(const ResponseTable& stored) {
    std::vector<const StoredResponse*> chain;
    for (std::string_view id = style.previous_id; !id.empty(); id = chain.back()->previous_id) {
        const auto found = stored.find(id);
        if (found == stored.end())
            return read.fail(
                "previous_response_id",
                chain.empty()
                    ? fmt::format("no response \"{}\" is kept here", excerpt(id))
                    : fmt::format("response \"{}\", which came before it, is kept no more",
                                  excerpt(id)),
                "previous_response_not_found");
        chain.push_back(found->second.get());
    }
    for (size_t i = chain.size(); i-- > 0;) {
        const std::string output = '[' + chain[i]->output + ']';
        for (const std::string* text : {chain[i]->input.get(), &output}) {
            JsonDocument document;
            if (text && !document.parse(*text) && !items("previous_response_id", document.root()))
                return false;
        }
    }
    return true;
}

/// Instructions are of this request alone: those of a previous one are not carried over.
bool ResponseReader::conversation(const ResponseTable& stored) {
    if (!instructions.empty() && !add({"system", instructions, {}})) return false;
    if (!previous(stored) || (input && !items("input", *input))) return false;
    return !generation.messages.empty() ||
           read.fail("input", "input: expected a string or an array of items");
}

}  // namespace qwend
