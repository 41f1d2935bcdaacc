#include "daemon/api/answer_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <span>

#include "daemon/api/json_writer.h"
#include "daemon/version.h"
#include "net/sse.h"

namespace qwend {

namespace {

// What a call of take() gives at most, or little more.
constexpr size_t kTakenBytes = 128 << 10;

/// {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":… — without the closing brace.
std::string answer_head(const CompletionRequest& request, const ModelText& model,
                        std::string_view request_id) {
    const char* object = request.chat
                             ? (request.stream ? "chat.completion.chunk" : "chat.completion")
                             : "text_completion";
    JsonWriter w;
    w.begin_object();
    w.key("id").string(fmt::format("{}-{}", request.chat ? "chatcmpl" : "cmpl", request_id));
    w.key("object").string(object).key("created").integer(std::time(nullptr));
    w.key("model").string(request.model.empty() ? model.names[0] : request.model);
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

}  // namespace

AnswerBody::AnswerBody(const ModelText& model, CompletionRequest request,
                       std::vector<std::vector<int32_t>> prompts, std::string_view id)
    : model_(model),
      request_(std::move(request)),
      prompts_(std::make_move_iterator(prompts.begin()), std::make_move_iterator(prompts.end())),
      head_(answer_head(request_, model, request_.request_id.empty() ? id : request_.request_id)) {
    // The conversation has become ids; a stream may last, and its texts would last with it.
    request_.messages = {};
    const size_t n = prompts_.size() * size_t(request_.n);
    choices_.reserve(n);
    while (choices_.size() < n) choices_.emplace_back(model.tokenizer, request_);
    request_.chat_options = {};
    for (size_t i = 0; i < prompts_.size(); i++) repeated_.push_back(repeat(i));
    request_.prompts = {};
    opened_.resize(n);
    closed_.resize(n);
    if (!request_.stream) drafts_.resize(n);
}

bool AnswerBody::on_event(int choice, const TokenEvent& event) {
    has_news_ = true;
    return choices_[size_t(choice)].on_event(event);
}

bool AnswerBody::done() const {
    return std::all_of(choices_.begin(), choices_.end(),
                       [](auto& choice) { return choice.done(); });
}

Usage AnswerBody::usage() const {
    Usage usage;
    for (const PromptTokens& prompt : prompts_) usage.prompt_tokens += int(prompt.size());
    for (auto& choice : choices_) usage.completion_tokens += choice.n_tokens();
    for (size_t i = 0; i < choices_.size(); i += size_t(request_.n))
        usage.cached_tokens += choices_[i].n_cached();
    return usage;
}

void AnswerBody::take(std::string& out) {
    if (ready_.empty()) {
        if (next_choice_ == 0) has_news_ = false;
        if (request_.stream) {
            stream();
        } else {
            for (int i = 0; i < n_choices(); i++) draft_choice(i);
            release();
        }
    }
    ready_.take(out, kTakenBytes);
}

/// A long prompt is long as JSON too: all of its choices share it.
AnswerBody::Repeated AnswerBody::repeat(size_t prompt) const {
    Repeated repeated;
    if (request_.echo && prompt < request_.prompts.size())
        if (auto* text = std::get_if<std::string>(&request_.prompts[prompt])) {
            auto json = std::make_shared<std::string>();
            append_json_escaped(*json, *text);
            repeated.text = std::move(json);
        }
    // As vLLM has it: of the answer in chat, of every choice in completions.
    if (request_.return_token_ids) {
        std::string ids;
        append_ids(ids, prompts_[prompt].tokens());
        repeated.ids =
            std::make_shared<std::string>(",\"prompt_token_ids\":[" + std::move(ids) + ']');
    }
    return repeated;
}

// ---- A stream ----

void AnswerBody::stream() {
    for (int i = std::exchange(next_choice_, 0); i < n_choices(); i++) {
        stream_choice(i);
        if (ready_.size() >= kTakenBytes && i + 1 < n_choices()) {
            next_choice_ = i + 1;
            return;
        }
    }
    if (ended_ || std::find(closed_.begin(), closed_.end(), false) != closed_.end()) return;
    ended_ = true;
    if (request_.include_usage)
        ready_.append(fmt::format("data: {},\"choices\":[],\"usage\":{}}}\n\n", head_,
                                  render_usage(usage())));
    ready_.append(kSseDone);
}

void AnswerBody::stream_choice(int index) {
    Choice& choice = choices_[size_t(index)];
    if (closed_[size_t(index)] || (choice.n_tokens() == 0 && !choice.done())) return;
    const ChoicePart part = choice.take();
    const bool first = !opened_[size_t(index)];
    opened_[size_t(index)] = true;
    if (first && request_.chat)
        append_chunk({.index = index, .delta = R"("role":"assistant","content":"")"});
    stream_part(index, part, first);
    if (!choice.done() || choice.abandoned()) return;
    closed_[size_t(index)] = true;
    if (choice.finish() == FinishReason::none) return;  // abandoned: an error tells the client
    append_chunk({.index = index, .delta = {}, .finished = true});
}

void AnswerBody::stream_part(int index, const ChoicePart& part, bool first) {
    Chunk chunk{.index = index, .delta = {}};
    if (first && !request_.chat)
        chunk.echo = repeated(index).text, chunk.prompt_token_ids = repeated(index).ids;
    std::string logprobs = "null";
    if (!part.tokens.empty()) {
        LogprobWriter writer(logprob_style());
        for (const PlacedToken& token : part.tokens) writer.add(token);
        writer.close();
        logprobs = writer.take();
    }
    std::string ids;
    if (!part.token_ids.empty()) {
        append_ids(ids, part.token_ids);
        ids = fmt::format(",\"token_ids\":[{}]", ids);
    }
    if (!part.text.empty() || !part.tokens.empty() || !ids.empty() || chunk.echo ||
        chunk.prompt_token_ids) {
        std::string delta;
        if (request_.chat && !part.text.empty()) delta = "\"content\":\"";
        append_json_escaped(delta, part.text);
        if (request_.chat && !part.text.empty()) delta += '"';
        chunk.delta = delta, chunk.logprobs = logprobs, chunk.extra = ids;
        append_chunk(chunk);
    }
    for (const CallPart& call : part.calls) stream_call(index, call);
}

void AnswerBody::stream_call(int index, const CallPart& call) {
    if (!call.name.empty()) {
        std::string name;
        append_json_string(name, call.name);
        const std::string delta =
            fmt::format(R"("tool_calls":[{{"index":{},"id":"{}","type":"function",)"
                        R"("function":{{"name":{},"arguments":""}}}}])",
                        call.index, call.id, name);
        append_chunk({.index = index, .delta = delta});
    }
    if (call.arguments.empty()) return;
    std::string arguments;
    append_json_string(arguments, call.arguments);
    const std::string delta = fmt::format(
        R"("tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}])", call.index, arguments);
    append_chunk({.index = index, .delta = delta});
}

void AnswerBody::append_chunk(const Chunk& chunk) {
    const Choice& choice = choices_[size_t(chunk.index)];
    std::string out = fmt::format("data: {},\"choices\":[{{\"index\":{},{}", head_, chunk.index,
                                  request_.chat ? "\"delta\":{" : "\"text\":\"");
    if (chunk.echo) ready_.append(std::exchange(out, {})).append(chunk.echo);
    out.append(chunk.delta) += request_.chat ? '}' : '"';
    out.append(",\"logprobs\":").append(chunk.logprobs);
    if (chunk.finished)
        fmt::format_to(std::back_inserter(out), ",\"finish_reason\":\"{}\",\"stop_reason\":{}",
                       choice.finish_name(), choice.stop_reason());
    else
        out += ",\"finish_reason\":null";
    out += chunk.extra;
    if (chunk.prompt_token_ids)
        ready_.append(std::exchange(out, {})).append(chunk.prompt_token_ids);
    out += "}]";
    if (request_.chat && !began_)
        ready_.append(std::exchange(out, {})).append(repeated(chunk.index).ids);
    began_ = true;
    // As OpenAI's: null but in the last event, unless vLLM's continuous_usage_stats asks for more.
    if (request_.include_usage)
        out += request_.continuous_usage ? ",\"usage\":" + render_usage(usage())
                                         : std::string(",\"usage\":null");
    ready_.append(out += "}\n\n");
}

// ---- A document ----

/// The largest part of a choice, its logprobs, comes before its text: it can be sent early.
void AnswerBody::draft_choice(int index) {
    Draft& draft = drafts_[size_t(index)];
    Choice& choice = choices_[size_t(index)];
    // Not before its first token: the prompts of many choices become JSON in as many steps.
    if (draft.closed || (choice.n_tokens() == 0 && !choice.done())) return;
    const ChoicePart part = choice.take();
    if (!draft.begun) begin_draft(draft, index);
    append_json_escaped(draft.text, part.text);
    append_ids(draft.token_ids, part.token_ids);
    draft_calls(draft, part.calls);
    if (draft.logprobs) {
        for (const PlacedToken& token : part.tokens) draft.logprobs->add(token);
        draft.ready.append(draft.logprobs->take());
    }
    if (choice.done() && !choice.abandoned()) close_draft(draft, index);
}

void AnswerBody::begin_draft(Draft& draft, int index) {
    draft.begun = true;
    draft.ready.append(fmt::format("{{\"index\":{},\"logprobs\":", index));
    if (request_.sampling.n_logprobs >= 0)
        draft.logprobs.emplace(logprob_style());
    else
        draft.ready.append("null");
}

void AnswerBody::draft_calls(Draft& draft, const std::vector<CallPart>& calls) {
    for (const CallPart& call : calls) {
        if (!call.name.empty()) {
            if (!draft.calls.empty()) draft.calls += "\"}},";
            draft.calls +=
                fmt::format(R"({{"id":"{}","type":"function","function":{{"name":)", call.id);
            append_json_string(draft.calls, call.name);
            draft.calls += ",\"arguments\":\"";
        }
        append_json_escaped(draft.calls, call.arguments);
    }
}

void AnswerBody::close_draft(Draft& draft, int index) {
    const Choice& choice = choices_[size_t(index)];
    ByteQueue& out = draft.ready;
    draft.closed = true;
    if (draft.logprobs) {
        draft.logprobs->close();
        out.append(draft.logprobs->take());
    }
    if (request_.chat) {
        const bool calls_alone = draft.text.empty() && !draft.calls.empty();
        out.append(R"(,"message":{"role":"assistant","content":)");
        if (calls_alone)
            out.append("null");
        else
            out.append("\"").append(std::move(draft.text)).append("\"");
        out.append(",\"refusal\":null");
        if (!draft.calls.empty())
            out.append(",\"tool_calls\":[").append(std::move(draft.calls)).append("\"}}]");
        out.append("}");
    } else {
        out.append(",\"text\":\"").append(repeated(index).text);
        out.append(std::move(draft.text)).append("\"");
    }
    out.append(fmt::format(",\"finish_reason\":\"{}\",\"stop_reason\":{}", choice.finish_name(),
                           choice.stop_reason()));
    if (request_.return_token_ids) {
        out.append(",\"token_ids\":[").append(std::move(draft.token_ids)).append("]");
        if (!request_.chat) out.append(repeated(index).ids);
    }
    out.append("}");
}

/// What is ready of the drafts, in their order: all of one before the next.
void AnswerBody::release() {
    if (!began_) {
        ready_.append(head_);
        if (request_.chat) ready_.append(repeated(0).ids);
        ready_.append(",\"choices\":[");
        began_ = true;
    }
    while (turn_ < drafts_.size()) {
        ready_.append(std::move(drafts_[turn_].ready));
        if (!drafts_[turn_].closed) return;
        drafts_[turn_] = {.begun = true, .closed = true};
        if (++turn_ < drafts_.size()) ready_.append(",");
    }
    if (ended_) return;
    ended_ = true;
    ready_.append("],\"usage\":" + render_usage(usage()) + '}');
}

size_t AnswerBody::n_waiting() const {
    size_t n = 0;
    for (size_t i = turn_ + 1; i < drafts_.size(); i++)
        n += drafts_[i].ready.n_owned() + drafts_[i].text.size() + drafts_[i].calls.size();
    return n;
}

}  // namespace qwend
