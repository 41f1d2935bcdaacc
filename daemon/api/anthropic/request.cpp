#include "daemon/api/anthropic/request.h"

#include <string>
#include <utility>

#include "daemon/api/anthropic/fields.h"
#include "daemon/api/request_body.h"
#include "daemon/api/unknown_fields.h"

namespace qwend {

namespace {

bool read_field(MessagesReader& r, const std::string& name, const JsonValue& value) {
    if (const auto* field = find_field(messages_fields(), name, kAnyScope))
        return value.is_null() || field->read(r, name, value);
    if (!is_messages_hint(name))
        note_unknown_field(name, r.request.n_unknown_fields, r.request.unknown_fields);
    return true;
}

/// What can only be judged with all fields read.
bool settle(MessagesReader& r) {
    Generation& q = r.generation;
    if (q.messages.empty()) return r.read.fail("messages", "messages: expected at least one");
    // What the assistant has begun it goes on with, unless calls follow that have no results.
    const ChatMessage& last = q.messages.back();
    q.chat_options.continue_final_message = last.role == "assistant" && last.tool_calls.empty();
    if (!r.system_text.empty())
        q.messages.insert(q.messages.begin(), {"system", std::move(r.system_text), {}});
    if (!settle_tool_choice(r.read, r.choice, q)) return false;
    q.max_tokens = r.style.max_tokens;
    q.clips_max_tokens = true;
    q.prompt_field = "messages";
    q.whole_calls = !r.style.stream;
    return true;
}

}  // namespace

std::optional<ApiError> parse_count_request(std::string_view body, const DefaultsOf& defaults_of,
                                            AnthropicRequest& request) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    // First of all the model, whose defaults hold where a field is absent.
    const auto named = document.root().member("model");
    if (named && !named->get(request.style.model)) request.style.model.clear();
    const GenerationDefaults* defaults = defaults_of(request.style.model);
    if (!defaults) return model_not_found(request.style.model);
    apply_defaults(*defaults, request.generation.sampling);
    MessagesReader reader(request);
    for (const auto& [name, value] : document.root().members())
        if (!read_field(reader, name, value)) return reader.read.error;
    settle(reader);
    return reader.read.error;
}

std::optional<ApiError> parse_messages_request(std::string_view body, const DefaultsOf& defaults_of,
                                               AnthropicRequest& request) {
    if (auto error = parse_count_request(body, defaults_of, request)) return error;
    if (request.style.max_tokens > 0) return std::nullopt;
    return bad_request("max_tokens: expected how many tokens the answer may have", "max_tokens");
}

}  // namespace qwend
