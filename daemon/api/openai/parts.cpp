#include "daemon/api/openai/parts.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <memory>
#include <utility>

#include "daemon/api/json_writer.h"
#include "daemon/version.h"
#include "net/sse.h"

namespace qwend {

std::string answer_head(const OpenAiStyle& style) {
    const char* object = !style.chat    ? "text_completion"
                         : style.stream ? "chat.completion.chunk"
                                        : "chat.completion";
    JsonWriter w;
    w.begin_object();
    w.key("id").string(fmt::format("{}-{}", style.chat ? "chatcmpl" : "cmpl", style.request_id));
    w.key("object").string(object).key("created").integer(std::time(nullptr));
    w.key("model").string(style.model);
    w.key("system_fingerprint").string(fmt::format("qwend-{}", qwend_version()));
    return w.take();
}

void append_ids(std::string& out, std::span<const int32_t> ids) {
    for (int32_t id : ids) {
        if (!out.empty()) out += ',';
        const fmt::format_int digits(id);
        out.append(digits.data(), digits.size());
    }
}

ByteQueue::Shared prompt_ids_member(const Choices& choices, size_t prompt) {
    if (!choices.generation().return_token_ids) return nullptr;
    std::string ids;
    append_ids(ids, choices.prompts()[prompt].tokens());
    return std::make_shared<std::string>(",\"prompt_token_ids\":[" + std::move(ids) + ']');
}

namespace {

/// As at OpenAI, a call is a reason to end only where the model chose to call.
std::string_view finish_reason(const Choices& choices, const Choice& choice) {
    const bool was_told = !choices.generation().called_tool.empty();
    return was_told && choice.finish() == FinishReason::stop ? "stop" : choice.finish_name();
}

}  // namespace

void append_end(std::string& out, const Choices& choices, int index) {
    const Choice& choice = choices.at(index);
    fmt::format_to(std::back_inserter(out),
                   ",\"finish_reason\":\"{}\",\"stop_reason\":", finish_reason(choices, choice));
    if (const std::string* stop = choice.stop_string())
        append_json_string(out, *stop);
    else if (choice.stop_token() >= 0)
        out += fmt::format_int(choice.stop_token()).c_str();
    else
        out += "null";
}

std::string render_usage(const Usage& usage) {
    std::string details;
    if (usage.reasoning_tokens > 0)
        details = fmt::format(R"(,"completion_tokens_details":{{"reasoning_tokens":{}}})",
                              usage.reasoning_tokens);
    return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                       R"("prompt_tokens_details":{{"cached_tokens":{}}}{}}})",
                       usage.prompt_tokens, usage.completion_tokens,
                       usage.prompt_tokens + usage.completion_tokens, usage.cached_tokens, details);
}

AnswerForm openai_form(const OpenAiStyle& style) {
    if (!style.stream) return {};
    return {true, "text/event-stream; charset=utf-8", kSsePing};
}

}  // namespace qwend
