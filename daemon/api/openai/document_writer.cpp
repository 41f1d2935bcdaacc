#include "daemon/api/openai/document_writer.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/api/json_writer.h"
#include "daemon/api/openai/parts.h"

namespace qwend {

namespace {

/// Calls come whole.
void append_calls(std::string& out, const std::vector<CallPart>& calls) {
    for (const CallPart& call : calls) {
        if (!out.empty()) out += ',';
        out += fmt::format(R"({{"id":"call_{}","type":"function","function":{{"name":)", call.id);
        append_json_string(out, call.name);
        out += ",\"arguments\":";
        append_json_string(out, call.arguments);
        out += "}}";
    }
}

}  // namespace

DocumentWriter::DocumentWriter(const OpenAiStyle& style, ByteQueue::Shared first,
                               const Choices& choices)
    : logprob_style_{&choices.tokenizer(), style.chat, style.tokens_as_ids},
      head_(answer_head(style)),
      first_(std::move(first)),
      prompt_logprobs_(style, choices),
      drafts_(size_t(choices.size())) {}

bool DocumentWriter::write(Choices& choices, ByteQueue& out, const WriteContent& write_content) {
    const bool is_all = prompt_logprobs_.write(choices);
    for (int i = 0; i < choices.size(); i++) draft_choice(choices, i, write_content);
    release(choices, out);
    n_waiting_ = count_waiting(choices);
    return is_all;
}

/// The largest part of a choice, its logprobs, comes before its text: it can be sent early.
void DocumentWriter::draft_choice(Choices& choices, int index, const WriteContent& write_content) {
    Draft& draft = drafts_[size_t(index)];
    Choice& choice = choices.at(index);
    if (draft.closed || (choice.n_tokens() == 0 && !choice.done())) return;
    if (!prompt_logprobs_.is_complete(choices, index)) return;
    const ChoicePart part = choice.take();
    if (!draft.begun) begin_draft(draft, choices, index);
    append_json_escaped(draft.text, part.text);
    append_json_escaped(draft.reasoning, part.reasoning);
    append_ids(draft.token_ids, part.token_ids);
    append_calls(draft.calls, part.calls);
    if (draft.logprobs) {
        for (const PlacedToken& token : part.tokens) draft.logprobs->add(token);
        draft.ready.append(draft.logprobs->take());
    }
    if (!choice.done() || choice.abandoned()) return;
    draft.closed = true;
    if (draft.logprobs) {
        draft.logprobs->close();
        draft.ready.append(draft.logprobs->take());
    }
    write_content(index, draft);
    draft.ready.append("}");
}

void DocumentWriter::begin_draft(Draft& draft, const Choices& choices, int index) {
    draft.begun = true;
    draft.ready.append(fmt::format("{{\"index\":{},\"logprobs\":", index));
    if (choices.generation().sampling.n_logprobs >= 0)
        draft.logprobs.emplace(logprob_style_, prompt_logprobs_.lists(choices, index));
    else
        draft.ready.append("null");
}

void DocumentWriter::append_end(Draft& draft, const Choices& choices, int index) const {
    std::string end;
    qwend::append_end(end, choices, index);
    draft.ready.append(end);
    if (choices.generation().return_token_ids)
        draft.ready.append(",\"token_ids\":[").append(std::move(draft.token_ids)).append("]");
}

/// What is ready of the drafts, in their order: all of one before the next.
void DocumentWriter::release(const Choices& choices, ByteQueue& out) {
    if (!std::exchange(began_, true)) out.append(head_).append(first_).append(",\"choices\":[");
    while (turn_ < drafts_.size()) {
        out.append(std::move(drafts_[turn_].ready));
        if (!drafts_[turn_].closed) return;
        drafts_[turn_] = {.begun = true, .closed = true};
        if (++turn_ == drafts_.size()) break;
        out.append(",");
        const size_t prompt = choices.prompt_index(int(turn_));
        if (turn_ % size_t(choices.generation().n) == 0) prompt_logprobs_.forget(prompt - 1);
    }
    if (std::exchange(ended_, true)) return;
    out.append("],\"usage\":" + render_usage(choices.usage()));
    if (logprob_style_.chat) out.append(prompt_logprobs_.member(choices, 0));
    out.append("}");
}

size_t DocumentWriter::count_waiting(const Choices& choices) const {
    if (turn_ == drafts_.size()) return 0;
    size_t n = prompt_logprobs_.n_waiting(choices.prompt_index(int(turn_)));
    for (size_t i = turn_ + 1; i < drafts_.size(); i++)
        n += drafts_[i].ready.n_owned() + drafts_[i].text.size() + drafts_[i].reasoning.size() +
             drafts_[i].calls.size();
    return n;
}

}  // namespace qwend
