#include "daemon/api/anthropic/renderer.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/anthropic/blocks.h"
#include "daemon/api/anthropic/error.h"
#include "daemon/api/json_writer.h"
#include "net/sse.h"

namespace qwend {

namespace {

constexpr std::string_view kPing = "event: ping\ndata: {\"type\":\"ping\"}\n\n";

AnswerForm form_of(const AnthropicStyle& style) {
    if (!style.stream) return {};
    return {true, "text/event-stream; charset=utf-8", kPing};
}

/// What the cache had is no input: the three together are the prompt.
std::string render_usage(const Usage& usage) {
    return fmt::format(R"({{"input_tokens":{},"cache_creation_input_tokens":0,)"
                       R"("cache_read_input_tokens":{},"output_tokens":{}}})",
                       usage.prompt_tokens - usage.cached_tokens, usage.cached_tokens,
                       usage.completion_tokens);
}

class MessageRenderer final : public AnswerRenderer {
  public:
    explicit MessageRenderer(const AnthropicStyle& style)
        : AnswerRenderer(form_of(style)), style_(style), blocks_(style.stream) {}

    bool write(Choices& choices, ByteQueue& out) override;
    std::string error_event(const ApiError& error) override {
        ApiError answered = error;
        answered.request_id = style_.request_id;
        return sse_event("error", render_anthropic_error(answered));
    }

  private:
    void begin(const Choices& choices, std::string& out);
    void write_part(const ChoicePart& part, std::string& out);
    void write_call(const CallPart& call, std::string& out);
    void end(const Choices& choices, std::string& out);
    std::string render_reason(const Choices& choices) const;

    const AnthropicStyle style_;
    BlockWriter blocks_;
    bool began_ = false, ended_ = false;
};

/// The dialect has one choice of one prompt.
bool MessageRenderer::write(Choices& choices, ByteQueue& out) {
    Choice& choice = choices.at(0);
    if (ended_ || (choice.n_tokens() == 0 && !choice.done())) return true;
    const ChoicePart part = choice.take();
    std::string text;
    if (!std::exchange(began_, true)) begin(choices, text);
    write_part(part, text);
    ended_ = choice.done() && !choice.abandoned();  // abandoned: an error tells the client
    if (ended_) end(choices, text);
    out.append(std::move(text));
    return true;
}

void MessageRenderer::begin(const Choices& choices, std::string& out) {
    JsonWriter w;
    w.begin_object().key("id").string("msg_" + style_.request_id).key("type").string("message");
    w.key("role").string("assistant").key("model").string(style_.model);
    w.key("content").begin_array();
    if (!style_.stream) {
        out += w.take();
        return;
    }
    w.end_array().key("stop_reason").null().key("stop_sequence").null();
    w.key("usage").raw(render_usage(choices.usage())).end_object();
    out += sse_event("message_start",
                     fmt::format(R"({{"type":"message_start","message":{}}})", w.take()));
}

/// Thoughts, texts and calls in the order in which they were generated.
void MessageRenderer::write_part(const ChoicePart& part, std::string& out) {
    const std::string_view text = part.text;
    size_t written = 0;
    blocks_.add_text(out, kThinkingBlock, part.reasoning);
    for (const CallPart& call : part.calls) {
        blocks_.add_text(out, kTextBlock, text.substr(written, call.text_before - written));
        written = call.text_before;
        write_call(call, out);
    }
    blocks_.add_text(out, kTextBlock, text.substr(written));
}

void MessageRenderer::write_call(const CallPart& call, std::string& out) {
    if (!call.name.empty()) {
        std::string name;
        append_json_string(name, call.name);
        blocks_.open(out, kToolUseBlock,
                     fmt::format(R"(,"id":"toolu_{}","name":{})", call.id, name));
    }
    blocks_.add(out, call.arguments);
}

void MessageRenderer::end(const Choices& choices, std::string& out) {
    // Clients take a first block for granted.
    if (blocks_.is_empty()) blocks_.open(out, kTextBlock);
    blocks_.close(out);
    const std::string reason = render_reason(choices), usage = render_usage(choices.usage());
    if (!style_.stream) {
        out += fmt::format("],{},\"usage\":{}}}", reason, usage);
        return;
    }
    out += sse_event(
        "message_delta",
        fmt::format(R"({{"type":"message_delta","delta":{{{}}},"usage":{}}})", reason, usage));
    out += sse_event("message_stop", R"({"type":"message_stop"})");
}

/// stop_reason and stop_sequence. That an answer was cut goes before what it says: its last call
/// may be incomplete.
std::string MessageRenderer::render_reason(const Choices& choices) const {
    const Choice& choice = choices.at(0);
    const bool is_clipped = choices.generation().max_tokens.value_or(0) < style_.max_tokens;
    std::string_view reason = "end_turn";
    std::string stop = "null";
    if (choice.finish() == FinishReason::length) {
        reason = is_clipped ? "model_context_window_exceeded" : "max_tokens";
    } else if (choice.finish_name() == "tool_calls") {
        reason = "tool_use";
    } else if (const std::string* found = choice.stop_string()) {
        reason = "stop_sequence";
        stop.clear();
        append_json_string(stop, *found);
    }
    return fmt::format(R"("stop_reason":"{}","stop_sequence":{})", reason, stop);
}

}  // namespace

MakeRenderer anthropic_renderer(AnthropicStyle style) {
    return [style = std::move(style)](const Choices&) {
        return std::make_unique<MessageRenderer>(style);
    };
}

}  // namespace qwend
