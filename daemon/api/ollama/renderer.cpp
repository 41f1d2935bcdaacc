#include "daemon/api/ollama/renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "daemon/api/json_scanner.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/time_text.h"
#include "daemon/api/token_logprobs.h"

namespace qwend {

namespace {

void append_ids(std::string& out, std::span<const int32_t> ids) {
    for (int32_t id : ids) {
        if (!out.empty()) out += ',';
        out += fmt::format_int(id).c_str();
    }
}

/// The calls of an answer as they come, whole, and the text of those that are none to a client,
/// which wants an object: arguments that turn out to be no JSON go on to the tag that closes the
/// call.
struct CallText {
    std::string json, text;

    void add(const CallPart& call) {
        constexpr size_t kIdLength = 8;
        const std::string arguments = clean_json_object(call.arguments);
        if (arguments.empty()) {
            text += "<tool_call>\n{\"name\": ";
            append_json_string(text, call.name);
            text += ", \"arguments\": " + call.arguments + "\n</tool_call>";
            return;
        }
        if (!json.empty()) json += ',';
        json += fmt::format(R"({{"id":"call_{}","function":{{"index":{},"name":)",
                            call.id.substr(0, kIdLength), call.index);
        append_json_string(json, call.name);
        json += ",\"arguments\":" + arguments + "}}";
    }
};

/// "done":true and why, how long what took, and how much it was. Zeros are left out, as Ollama does
/// it; to evaluate a token takes a nanosecond at least, so that whoever divides by that finds it.
std::string render_end(std::string_view reason, const Choices& choices, double arrived) {
    const AnswerTimes& times = choices.times();
    const Usage usage = choices.usage();
    std::string out = fmt::format("\"done\":true,\"done_reason\":\"{}\"", reason);
    const auto add = [&](const char* name, int64_t value) {
        if (value > 0) fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name, value);
    };
    const auto add_time = [&](const char* name, double seconds) {
        add(name, std::max<int64_t>(1, std::llround(seconds * 1e9)));
    };
    const double began = arrived < 0 ? times.created : arrived;
    const double ran = times.created + std::max(times.queued, 0.0);
    if (times.first_token >= 0) {
        add_time("total_duration", times.last_token - began);
        add_time("load_duration", ran - began);
    }
    add("prompt_eval_count", usage.prompt_tokens);
    if (times.first_token >= 0) add_time("prompt_eval_duration", times.first_token - ran);
    add("eval_count", usage.completion_tokens);
    if (times.first_token >= 0) add_time("eval_duration", times.last_token - times.first_token);
    return out;
}

std::string_view done_reason(const Choice& choice) {
    return choice.finish() == FinishReason::stop ? "stop" : choice.finish_name();
}

class OllamaRenderer final : public AnswerRenderer {
  public:
    OllamaRenderer(const OllamaStyle& style, const Choices& choices)
        : AnswerRenderer(style.stream ? AnswerForm{true, "application/x-ndjson", {}}
                                      : AnswerForm{}),
          style_(style),
          reports_logprobs_(choices.generation().sampling.n_logprobs >= 0) {
        head_ = "{\"model\":";
        append_json_string(head_, style.model);
        if (!style.gives_context) return;
        std::string ids;
        append_ids(ids, choices.prompt_of(0).tokens());
        prompt_ids_ = std::make_shared<std::string>(",\"context\":[" + std::move(ids));
    }

    bool write(Choices& choices, ByteQueue& out) override;
    size_t n_waiting() const override {
        return form.is_stream ? 0 : text_.size() + thinking_.size() + calls_.size();
    }
    std::string error_event(const ApiError& error) override {
        return render_ollama_error(error) + '\n';
    }

  private:
    void take(Choices& choices);
    void append_content(ByteQueue& out);
    void write_line(ByteQueue& out);
    void write_end(const Choices& choices, ByteQueue& out);

    const OllamaStyle style_;
    const bool reports_logprobs_;
    std::string head_;              // of every line, or of the document
    ByteQueue::Shared prompt_ids_;  // as "context" begins
    // What came and was not written yet, as JSON; the text without its quotes.
    std::string text_, thinking_, calls_, logprobs_;
    std::string token_ids_;  // of the whole answer
    bool began_ = false, ended_ = false, has_logprobs_ = false;
};

bool OllamaRenderer::write(Choices& choices, ByteQueue& out) {
    const Choice& choice = choices.at(0);
    if (ended_ || (choice.n_tokens() == 0 && !choice.done())) return true;
    take(choices);
    if (form.is_stream) {
        if (!text_.empty() || !thinking_.empty() || !calls_.empty() || !logprobs_.empty())
            write_line(out);
    } else {
        // The largest part of a document comes first: it can be sent early.
        if (!std::exchange(began_, true))
            out.append(head_).append(reports_logprobs_ ? ",\"logprobs\":[" : "");
        out.append(std::exchange(logprobs_, {}));
    }
    if (!choice.done() || choice.abandoned()) return true;
    ended_ = true;
    write_end(choices, out);
    return true;
}

void OllamaRenderer::take(Choices& choices) {
    const ChoicePart part = choices.at(0).take();
    append_json_escaped(thinking_, part.reasoning);
    append_json_escaped(text_, part.text);
    CallText calls{std::move(calls_), {}};
    for (const CallPart& call : part.calls) calls.add(call);
    calls_ = std::move(calls.json);
    append_json_escaped(text_, calls.text);
    append_ids(token_ids_, part.token_ids);
    for (const PlacedToken& token : part.tokens) {
        if (form.is_stream ? !logprobs_.empty() : has_logprobs_) logprobs_ += ',';
        has_logprobs_ = true;
        append_token_logprobs(logprobs_, token.sampled, choices.tokenizer(), false);
    }
}

/// The member that has the text, with the calls where there are some.
void OllamaRenderer::append_content(ByteQueue& out) {
    out.append(fmt::format(",\"created_at\":\"{}\",", rfc3339(unix_nanoseconds())));
    out.append(style_.chat ? R"("message":{"role":"assistant","content":")" : R"("response":")");
    out.append(std::exchange(text_, {})).append("\"");
    if (!thinking_.empty())
        out.append(",\"thinking\":\"").append(std::exchange(thinking_, {})).append("\"");
    if (!style_.chat) return;
    if (!calls_.empty())
        out.append(",\"tool_calls\":[").append(std::exchange(calls_, {})).append("]");
    out.append("}");
}

void OllamaRenderer::write_line(ByteQueue& out) {
    out.append(head_);
    append_content(out);
    out.append(",\"done\":false");
    if (!logprobs_.empty())
        out.append(",\"logprobs\":[").append(std::exchange(logprobs_, {})).append("]");
    out.append("}\n");
}

void OllamaRenderer::write_end(const Choices& choices, ByteQueue& out) {
    if (form.is_stream)
        out.append(head_);
    else if (reports_logprobs_)
        out.append("]");
    append_content(out);
    out.append("," + render_end(done_reason(choices.at(0)), choices, style_.arrived));
    if (prompt_ids_) {
        out.append(prompt_ids_).append(token_ids_.empty() ? "" : ",");
        out.append(std::exchange(token_ids_, {})).append("]");
    }
    out.append(form.is_stream ? "}\n" : "}");
}

}  // namespace

MakeRenderer ollama_renderer(OllamaStyle style) {
    return [style = std::move(style)](const Choices& choices) {
        return std::make_unique<OllamaRenderer>(style, choices);
    };
}

std::string render_nothing_asked(const OllamaRequest& request) {
    JsonWriter w;
    w.begin_object().key("model").string(request.style.model);
    w.key("created_at").string(rfc3339(unix_nanoseconds()));
    if (request.style.chat) {
        w.key("message").begin_object().key("role").string("assistant");
        w.key("content").string("").end_object();
    } else {
        w.key("response").string("");
    }
    w.key("done").boolean(true);
    w.key("done_reason")
        .string(request.asks == OllamaRequest::Asks::unload ? "unload" : "load")
        .end_object();
    return w.take();
}

}  // namespace qwend
