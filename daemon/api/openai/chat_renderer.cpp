#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/api/json_writer.h"
#include "daemon/api/openai/document_writer.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/openai/event_writer.h"
#include "daemon/api/openai/parts.h"
#include "daemon/api/openai/renderers.h"
#include "net/sse.h"

namespace qwend {

namespace {

/// Under both names: clients know the one or the other, OpenAI has none.
void append_reasoning(std::string& out, std::string_view reasoning) {
    std::string json;
    append_json_string(json, reasoning);
    out.append("\"reasoning_content\":").append(json).append(",\"reasoning\":").append(json);
}

class ChatRenderer final : public AnswerRenderer {
  public:
    ChatRenderer(const OpenAiStyle& style, const Choices& choices)
        : AnswerRenderer(openai_form(style)), include_reasoning_(style.include_reasoning) {
        const ByteQueue::Shared ids = prompt_ids_member(choices, 0);
        if (style.stream)
            events_.emplace(style, EventForm{"\"delta\":{", "}", ids}, choices);
        else
            document_.emplace(style, ids, choices);
    }

    bool write(Choices& choices, ByteQueue& out) override;
    size_t n_waiting() const override { return document_ ? document_->n_waiting() : 0; }
    std::string error_event(const ApiError& error) override {
        return sse_event(render_openai_error(error));
    }

  private:
    void write_events(const Choices& choices, ByteQueue& out, int index, const ChoicePart& part,
                      bool first);
    void write_call(const Choices& choices, ByteQueue& out, int index, const CallPart& call);
    void write_message(const Choices& choices, int index, DocumentWriter::Draft& draft);

    const bool include_reasoning_;
    // Whichever form it has.
    std::optional<EventWriter> events_;
    std::optional<DocumentWriter> document_;
};

bool ChatRenderer::write(Choices& choices, ByteQueue& out) {
    if (events_)
        return events_->write(choices, out, [&](int index, const ChoicePart& part, bool first) {
            write_events(choices, out, index, part, first);
        });
    return document_->write(choices, out, [&](int index, DocumentWriter::Draft& draft) {
        write_message(choices, index, draft);
    });
}

void ChatRenderer::write_events(const Choices& choices, ByteQueue& out, int index,
                                const ChoicePart& part, bool first) {
    if (first) events_->append(out, choices, index, {.text = R"("role":"assistant","content":"")"});
    std::string delta;
    if (!part.reasoning.empty() && include_reasoning_) append_reasoning(delta, part.reasoning);
    if (!part.text.empty()) {
        delta += delta.empty() ? "\"content\":" : ",\"content\":";
        append_json_string(delta, part.text);
    }
    if (!delta.empty() || !part.tokens.empty() || !part.token_ids.empty())
        events_->append(out, choices, index, {.text = delta, .part = &part});
    for (const CallPart& call : part.calls) write_call(choices, out, index, call);
}

/// The name first, with an event of its own.
void ChatRenderer::write_call(const Choices& choices, ByteQueue& out, int index,
                              const CallPart& call) {
    std::string json;
    if (!call.name.empty()) {
        append_json_string(json, call.name);
        const std::string begin =
            fmt::format(R"("tool_calls":[{{"index":{},"id":"call_{}","type":"function",)"
                        R"("function":{{"name":{},"arguments":""}}}}])",
                        call.index, call.id, json);
        events_->append(out, choices, index, {.text = begin});
    }
    if (call.arguments.empty()) return;
    json.clear();
    append_json_string(json, call.arguments);
    const std::string more = fmt::format(
        R"("tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}])", call.index, json);
    events_->append(out, choices, index, {.text = more});
}

void ChatRenderer::write_message(const Choices& choices, int index, DocumentWriter::Draft& draft) {
    ByteQueue& out = draft.ready;
    out.append(R"(,"message":{"role":"assistant","content":)");
    if (draft.text.empty() && !draft.calls.empty())
        out.append("null");
    else
        out.append("\"").append(std::move(draft.text)).append("\"");
    out.append(",\"refusal\":null");
    if (!draft.reasoning.empty() && include_reasoning_) {
        const auto reasoning = std::make_shared<std::string>(std::move(draft.reasoning));
        for (const char* name : {"reasoning_content", "reasoning"})
            out.append(fmt::format(",\"{}\":\"", name)).append(reasoning).append("\"");
    }
    if (!draft.calls.empty())
        out.append(",\"tool_calls\":[").append(std::move(draft.calls)).append("]");
    out.append("}");
    document_->append_end(draft, choices, index);
}

}  // namespace

std::unique_ptr<AnswerRenderer> make_chat_renderer(const OpenAiStyle& style,
                                                   const Choices& choices) {
    return std::make_unique<ChatRenderer>(style, choices);
}

}  // namespace qwend
