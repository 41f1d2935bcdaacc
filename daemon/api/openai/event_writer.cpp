#include "daemon/api/openai/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/openai/parts.h"
#include "net/sse.h"

namespace qwend {

EventWriter::EventWriter(const OpenAiStyle& style, EventForm form, const Choices& choices)
    : style_(style),
      form_(std::move(form)),
      logprob_style_{&choices.tokenizer(), style.chat, style.tokens_as_ids},
      head_(answer_head(style)),
      prompt_logprobs_(style, choices),
      opened_(size_t(choices.size())),
      closed_(size_t(choices.size())) {}

bool EventWriter::ends(const Choice& choice) {
    return choice.done() && !choice.abandoned();
}

bool EventWriter::write(Choices& choices, ByteQueue& out, const WritePart& write_part) {
    const bool is_all = prompt_logprobs_.write(choices);
    for (int i = std::exchange(next_choice_, 0); i < choices.size(); i++) {
        write_choice(choices, out, i, write_part);
        if (out.size() >= AnswerRenderer::kEnoughBytes && i + 1 < choices.size()) {
            next_choice_ = i + 1;
            return false;
        }
    }
    append_end(choices, out);
    return is_all;
}

void EventWriter::write_choice(Choices& choices, ByteQueue& out, int index,
                               const WritePart& write_part) {
    Choice& choice = choices.at(index);
    if (closed_[size_t(index)] || (choice.n_tokens() == 0 && !choice.done())) return;
    if (!prompt_logprobs_.is_complete(choices, index)) return;
    const bool first = !opened_[size_t(index)];
    opened_[size_t(index)] = true;
    write_part(index, choice.take(), first);
    if (first) forget_prompt(choices, index);
    if (ends(choice) && !closed_[size_t(index)]) append(out, choices, index, {.finished = true});
}

/// Once it was told to all of its choices.
void EventWriter::forget_prompt(const Choices& choices, int index) {
    const size_t prompt = choices.prompt_index(index);
    const auto begin = opened_.begin() + ptrdiff_t(prompt) * choices.generation().n;
    if (std::find(begin, begin + choices.generation().n, false) == begin + choices.generation().n)
        prompt_logprobs_.forget(prompt);
}

void EventWriter::append_logprobs(ByteQueue& out, const Delta& delta) const {
    LogprobWriter writer(logprob_style_, delta.prompt);
    if (delta.part)
        for (const PlacedToken& token : delta.part->tokens) writer.add(token);
    writer.close();
    out.append(writer.take());
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
    if (delta.prompt || (delta.part && !delta.part->tokens.empty())) {
        out.append(std::exchange(text, {}));
        append_logprobs(out, delta);
    } else {
        text += "null";
    }
    if (delta.finished) {
        closed_[size_t(index)] = true;
        qwend::append_end(text, choices, index);
    } else {
        text += ",\"finish_reason\":null";
    }
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
