#include <optional>
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

/// What every choice of a prompt repeats of it; nullptr: nothing. A long prompt is long as JSON
/// too: its choices share it.
struct Repeated {
    ByteQueue::Shared text = {};  // of a JSON string, without its quotes
    ByteQueue::Shared ids = {};   // a member after a comma
};

std::vector<Repeated> repeat_prompts(const Choices& choices) {
    const Generation& generation = choices.generation();
    std::vector<Repeated> repeated(choices.prompts().size());
    for (size_t i = 0; i < repeated.size(); i++) {
        repeated[i].ids = prompt_ids_member(choices, i);
        if (!generation.echo || i >= generation.prompts.size()) continue;
        if (auto* text = std::get_if<std::string>(&generation.prompts[i])) {
            auto json = std::make_shared<std::string>();
            append_json_escaped(*json, *text);
            repeated[i].text = std::move(json);
        }
    }
    return repeated;
}

class TextRenderer final : public AnswerRenderer {
  public:
    TextRenderer(const OpenAiStyle& style, const Choices& choices)
        : AnswerRenderer(openai_form(style)), repeated_(repeat_prompts(choices)) {
        if (style.stream)
            events_.emplace(style, EventForm{"\"text\":\"", "\"", nullptr}, choices);
        else
            document_.emplace(style, nullptr, choices);
    }

    bool write(Choices& choices, ByteQueue& out) override;
    size_t n_waiting() const override { return document_ ? document_->n_waiting() : 0; }
    std::string error_event(const ApiError& error) override {
        return sse_event(render_openai_error(error));
    }

  private:
    void write_event(const Choices& choices, ByteQueue& out, int index, const ChoicePart& part,
                     bool first);
    void write_text(const Choices& choices, int index, DocumentWriter::Draft& draft);

    // Whichever form it has.
    std::optional<EventWriter> events_;
    std::optional<DocumentWriter> document_;
    std::vector<Repeated> repeated_;  // of every prompt
};

bool TextRenderer::write(Choices& choices, ByteQueue& out) {
    if (events_)
        return events_->write(choices, out, [&](int index, const ChoicePart& part, bool first) {
            write_event(choices, out, index, part, first);
        });
    return document_->write(choices, out, [&](int index, DocumentWriter::Draft& draft) {
        write_text(choices, index, draft);
    });
}

/// One for every token, the last one's with the end, as vLLM's are: benchmarks take the time
/// between two of them for the time of a token.
void TextRenderer::write_event(const Choices& choices, ByteQueue& out, int index,
                               const ChoicePart& part, bool first) {
    Repeated repeated = first ? repeated_[choices.prompt_index(index)] : Repeated();
    const PromptLists* lists = events_->prompt_logprobs().lists(choices, index);
    if (first && lists) {  // the prompt is an event of its own
        events_->append(out, choices, index,
                        {.prompt = lists, .before = repeated.text, .more = repeated.ids});
        repeated = {};
    }
    if (part.text.empty() && part.tokens.empty() && part.token_ids.empty() && !repeated.text &&
        !repeated.ids)
        return;
    std::string text;
    append_json_escaped(text, part.text);
    events_->append(out, choices, index,
                    {.text = text,
                     .part = &part,
                     .before = repeated.text,
                     .more = repeated.ids,
                     .finished = EventWriter::ends(choices.at(index))});
}

void TextRenderer::write_text(const Choices& choices, int index, DocumentWriter::Draft& draft) {
    const Repeated& repeated = repeated_[choices.prompt_index(index)];
    draft.ready.append(",\"text\":\"").append(repeated.text);
    draft.ready.append(std::move(draft.text)).append("\"");
    document_->append_end(draft, choices, index);
    draft.ready.append(repeated.ids);
    draft.ready.append(document_->prompt_logprobs().member(choices, index));
}

}  // namespace

std::unique_ptr<AnswerRenderer> make_text_renderer(const OpenAiStyle& style,
                                                   const Choices& choices) {
    return std::make_unique<TextRenderer>(style, choices);
}

}  // namespace qwend
