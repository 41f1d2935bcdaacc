#include "daemon/api/responses/item_events.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/api/token_logprobs.h"

namespace qwend {

namespace {

constexpr std::string_view kEnd = "}\n\n";

}  // namespace

/// An event as far as its members of its own.
std::string ItemEvents::opened(std::string_view name) {
    return fmt::format(
        "event: response.{}\ndata: {{\"type\":\"response.{}\",\"sequence_number\":{}", name, name,
        next_++);
}

std::string ItemEvents::opened(std::string_view name, const OutputItem& item) {
    return opened(name) + fmt::format(R"(,"item_id":"{}","output_index":{})", item.id, item.index) +
           (has_part(item) ? R"(,"content_index":0)" : "");
}

void ItemEvents::lifecycle(ByteQueue& out, std::string_view name, const ByteQueue::Shared& head,
                           std::string_view output, std::string_view tail) {
    out.append(opened(name) + ",\"response\":").append(head).append(output);
    out.append(tail).append(kEnd);
}

void ItemEvents::item_event(ByteQueue& out, std::string_view name, const OutputItem& item,
                            std::string_view status) {
    std::string event = opened(name) + fmt::format(R"(,"output_index":{},"item":)", item.index);
    append_item(event, item, status);
    out.append((event += kEnd));
}

void ItemEvents::begin(ByteQueue& out, const OutputItem& item) {
    item_event(out, "output_item.added", item, "in_progress");
    if (!has_part(item)) return;
    std::string event = opened("content_part.added", item) + ",\"part\":";
    append_part(event, item.kind, "");
    out.append((event += kEnd));
}

void ItemEvents::text(ByteQueue& out, const OutputItem& item, std::string_view text,
                      const std::vector<PlacedToken>& tokens) {
    const bool is_message = item.kind == OutputItem::Kind::message;
    std::string event = opened(is_message ? "output_text.delta" : "reasoning_text.delta", item);
    event.append(",\"delta\":\"").append(text).append("\"");
    if (is_message) {
        event += ",\"logprobs\":[";
        const char* comma = "";
        for (const PlacedToken& token : tokens) {
            event += std::exchange(comma, ",");
            append_token_logprobs(event, token.sampled, *logprob_style_.tokenizer,
                                  logprob_style_.tokens_as_ids);
        }
        event += ']';
    }
    out.append((event += kEnd));
}

void ItemEvents::arguments(ByteQueue& out, const OutputItem& item, std::string_view text) {
    const bool custom = item.kind == OutputItem::Kind::custom_tool_call;
    std::string event =
        opened(custom ? "custom_tool_call_input.delta" : "function_call_arguments.delta", item);
    out.append((event.append(",\"delta\":\"").append(text).append("\"") += kEnd));
}

void ItemEvents::end_part(ByteQueue& out, const OutputItem& item) {
    const bool is_message = item.kind == OutputItem::Kind::message;
    std::string event = opened(is_message ? "output_text.done" : "reasoning_text.done", item);
    event.append(",\"text\":\"").append(item.text).append("\"");
    if (is_message) event += ",\"logprobs\":[]";
    out.append((event += kEnd));
    event = opened("content_part.done", item) + ",\"part\":";
    append_part(event, item.kind, item.text);
    out.append((event += kEnd));
}

void ItemEvents::end(ByteQueue& out, const OutputItem& item, std::string_view status) {
    if (has_part(item)) {
        end_part(out, item);
    } else {
        const bool custom = item.kind == OutputItem::Kind::custom_tool_call;
        std::string event =
            opened(custom ? "custom_tool_call_input.done" : "function_call_arguments.done", item);
        event.append(custom ? ",\"input\":\"" : ",\"arguments\":\"").append(item.text);
        out.append((event.append("\"") += kEnd));
    }
    item_event(out, "output_item.done", item, status);
}

}  // namespace qwend
