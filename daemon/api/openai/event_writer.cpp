#include "daemon/api/openai/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/openai/parts.h"
#include "net/sse.h"

namespace qwend {

namespace {

std::string render_logprobs(const std::vector<PlacedToken>& tokens, const LogprobStyle& style) {
    if (tokens.empty()) return "null";
    LogprobWriter writer(style);
    for (const PlacedToken& token : tokens) writer.add(token);
    writer.close();
    return writer.take();
}

}  // namespace

EventWriter::EventWriter(const OpenAiStyle& style, EventForm form, const Choices& choices)
    : style_(style),
      form_(std::move(form)),
      logprob_style_{&choices.tokenizer(), style.chat, style.tokens_as_ids},
      head_(answer_head(style)),
      opened_(size_t(choices.size())),
      closed_(size_t(choices.size())) {}

bool EventWriter::write(Choices& choices, ByteQueue& out, const WritePart& write_part) {
    for (int i = std::exchange(next_choice_, 0); i < choices.size(); i++) {
        write_choice(choices, out, i, write_part);
        if (out.size() >= AnswerRenderer::kEnoughBytes && i + 1 < choices.size()) {
            next_choice_ = i + 1;
            return false;
        }
    }
    append_end(choices, out);
    return true;
}

void EventWriter::write_choice(Choices& choices, ByteQueue& out, int index,
                               const WritePart& write_part) {
    Choice& choice = choices.at(index);
    if (closed_[size_t(index)] || (choice.n_tokens() == 0 && !choice.done())) return;
    const bool first = !opened_[size_t(index)];
    opened_[size_t(index)] = true;
    write_part(index, choice.take(), first);
    if (!choice.done() || choice.abandoned()) return;  // abandoned: an error tells the client
    closed_[size_t(index)] = true;
    append(out, choices, index, {.finished = true});
}

void EventWriter::append_end(const Choices& choices, ByteQueue& out) {
    if (ended_ || std::find(closed_.begin(), closed_.end(), false) != closed_.end()) return;
    ended_ = true;
    if (style_.include_usage)
        out.append(fmt::format("data: {},\"choices\":[],\"usage\":{}}}\n\n", head_,
                               render_usage(choices.usage())));
    out.append(kSseDone);
}

void EventWriter::append(ByteQueue& out, const Choices& choices, int index, const Delta& delta) {
    std::string text =
        fmt::format("data: {},\"choices\":[{{\"index\":{},{}", head_, index, form_.open);
    if (delta.before) out.append(std::exchange(text, {})).append(delta.before);
    text.append(delta.text).append(form_.close).append(",\"logprobs\":");
    text += delta.part ? render_logprobs(delta.part->tokens, logprob_style_) : "null";
    if (delta.finished)
        qwend::append_end(text, choices.at(index));
    else
        text += ",\"finish_reason\":null";
    if (delta.part && !delta.part->token_ids.empty()) {
        std::string ids;
        append_ids(ids, delta.part->token_ids);
        text.append(",\"token_ids\":[").append(ids) += ']';
    }
    if (delta.more) out.append(std::exchange(text, {})).append(delta.more);
    text += "}]";
    if (!std::exchange(began_, true)) out.append(std::exchange(text, {})).append(form_.first);
    // As OpenAI's: null but in the last event, unless vLLM's continuous_usage_stats asks for more.
    if (style_.include_usage)
        text += style_.continuous_usage ? ",\"usage\":" + render_usage(choices.usage())
                                        : std::string(",\"usage\":null");
    out.append(text += "}\n\n");
}

}  // namespace qwend
