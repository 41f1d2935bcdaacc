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

/// {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":… — without the closing brace.
std::string answer_head(const CompletionRequest& request, const ServedModel& model,
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

AnswerBody::AnswerBody(const ServedModel& model, CompletionRequest request,
                       std::vector<std::vector<int32_t>> prompts, std::string_view id)
    : model_(model),
      request_(std::move(request)),
      prompts_(std::make_move_iterator(prompts.begin()), std::make_move_iterator(prompts.end())),
      head_(answer_head(request_, model, request_.request_id.empty() ? id : request_.request_id)) {
    // The conversation has become ids; a stream may last, and its texts would last with it.
    request_.messages = {};
    if (!request_.echo) request_.prompts = {};
    const size_t n = prompts_.size() * size_t(request_.n);
    choices_.reserve(n);
    while (choices_.size() < n) choices_.emplace_back(model.tokenizer, request_);
    request_.chat_options = {};
    repeated_.resize(prompts_.size());
    opened_.resize(n);
    closed_.resize(n);
    if (!request_.stream) drafts_.resize(n);
}

bool AnswerBody::on_event(int choice, const TokenEvent& event) {
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
    for (int i = 0; i < n_choices(); i++) request_.stream ? stream_choice(out, i) : draft_choice(i);
    if (!request_.stream) return release(out);
    if (ended_ || std::find(closed_.begin(), closed_.end(), false) != closed_.end()) return;
    ended_ = true;
    if (request_.include_usage)
        fmt::format_to(std::back_inserter(out), "data: {},\"choices\":[],\"usage\":{}}}\n\n", head_,
                       render_usage(usage()));
    out += kSseDone;
}

// A long prompt takes its time to become JSON, and all of its choices may begin in one step: it is
// made once.

const std::string& AnswerBody::echo_text(int choice) {
    std::optional<std::string>& made = repeated(choice).text;
    if (made) return *made;
    made.emplace();
    const size_t prompt = size_t(choice) / size_t(request_.n);
    if (!request_.echo || prompt >= request_.prompts.size()) return *made;
    const auto* text = std::get_if<std::string>(&request_.prompts[prompt]);
    if (text) append_json_escaped(*made, *text);
    return *made;
}

/// A member, as vLLM has it: of the answer in chat, of every choice in completions.
const std::string& AnswerBody::prompt_token_ids(int choice) {
    std::optional<std::string>& made = repeated(choice).ids;
    if (made) return *made;
    made.emplace();
    if (!request_.return_token_ids) return *made;
    append_ids(*made, prompt_of(choice).tokens());
    made->insert(0, ",\"prompt_token_ids\":[");
    return *made += ']';
}

// ---- A stream ----

void AnswerBody::stream_choice(std::string& out, int index) {
    Choice& choice = choices_[size_t(index)];
    if (closed_[size_t(index)] || (choice.n_tokens() == 0 && !choice.done())) return;
    const ChoicePart part = choice.take();
    std::string extra;
    std::string_view echo;
    if (!opened_[size_t(index)]) {
        if (!request_.chat) echo = echo_text(index);
        open_choice(out, index, extra);
    }
    if (!part.token_ids.empty()) {
        std::string ids;
        append_ids(ids, part.token_ids);
        extra += fmt::format(",\"token_ids\":[{}]", ids);
    }
    stream_part(out, index, part, echo, extra);
    if (!choice.done() || choice.abandoned()) return;
    closed_[size_t(index)] = true;
    if (choice.finish() == FinishReason::none) return;  // abandoned: an error tells the client
    append_chunk(out, {.index = index,
                       .delta = request_.chat ? "\"delta\":{}" : "\"text\":\"\"",
                       .finished = true});
}

/// The first event of a choice, or what is to be part of it.
void AnswerBody::open_choice(std::string& out, int index, std::string& extra) {
    opened_[size_t(index)] = true;
    if (request_.chat) {
        append_chunk(out,
                     {.index = index, .delta = R"("delta":{"role":"assistant","content":""})"});
    } else {
        extra = prompt_token_ids(index);
    }
}

void AnswerBody::stream_part(std::string& out, int index, const ChoicePart& part,
                             std::string_view echo, std::string_view extra) {
    std::string logprobs = "null";
    if (!part.tokens.empty()) {
        LogprobWriter writer(logprob_style());
        for (const PlacedToken& token : part.tokens) writer.add(token);
        writer.close();
        logprobs = writer.take();
    }
    if (!part.text.empty() || !part.tokens.empty() || !echo.empty() || !extra.empty()) {
        std::string delta = request_.chat ? R"("delta":{)" : R"("text":)";
        if (request_.chat && !part.text.empty()) delta += "\"content\":";
        if (!request_.chat || !part.text.empty()) {
            delta.append("\"").append(echo);
            append_json_escaped(delta, part.text);
            delta += '"';
        }
        if (request_.chat) delta += '}';
        append_chunk(out, {index, delta, logprobs, extra});
    }
    for (const CallPart& call : part.calls) stream_call(out, index, call);
}

void AnswerBody::stream_call(std::string& out, int index, const CallPart& call) {
    if (!call.name.empty()) {
        std::string name;
        append_json_string(name, call.name);
        const std::string delta =
            fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"id":"{}","type":"function",)"
                        R"("function":{{"name":{},"arguments":""}}}}]}})",
                        call.index, call.id, name);
        append_chunk(out, {.index = index, .delta = delta});
    }
    if (call.arguments.empty()) return;
    std::string arguments;
    append_json_string(arguments, call.arguments);
    const std::string delta =
        fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
                    call.index, arguments);
    append_chunk(out, {.index = index, .delta = delta});
}

void AnswerBody::append_chunk(std::string& out, const Chunk& chunk) {
    const Choice& choice = choices_[size_t(chunk.index)];
    fmt::format_to(std::back_inserter(out),
                   "data: {},\"choices\":[{{\"index\":{},{},\"logprobs\":{}", head_, chunk.index,
                   chunk.delta, chunk.logprobs);
    if (chunk.finished)
        fmt::format_to(std::back_inserter(out), ",\"finish_reason\":\"{}\",\"stop_reason\":{}",
                       choice.finish_name(), choice.stop_reason());
    else
        out += ",\"finish_reason\":null";
    out.append(chunk.extra).append("}]");
    if (request_.chat && !began_) out += prompt_token_ids(0);
    began_ = true;
    // As OpenAI's: null but in the last event, unless vLLM's continuous_usage_stats asks for more.
    if (request_.include_usage)
        out += request_.continuous_usage ? ",\"usage\":" + render_usage(usage())
                                         : std::string(",\"usage\":null");
    out += "}\n\n";
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
        draft.ready += draft.logprobs->take();
    }
    if (choice.done() && !choice.abandoned()) close_draft(draft, index);
}

void AnswerBody::begin_draft(Draft& draft, int index) {
    draft.begun = true;
    draft.ready = fmt::format("{{\"index\":{},\"logprobs\":", index);
    if (request_.sampling.n_logprobs >= 0)
        draft.logprobs.emplace(logprob_style());
    else
        draft.ready += "null";
    draft.text += echo_text(index);
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
    std::string& out = draft.ready;
    draft.closed = true;
    if (draft.logprobs) {
        draft.logprobs->close();
        out += draft.logprobs->take();
    }
    if (request_.chat) {
        out += R"(,"message":{"role":"assistant","content":)";
        out += draft.text.empty() && !draft.calls.empty() ? "null" : '"' + draft.text + '"';
        out += ",\"refusal\":null";
        if (!draft.calls.empty()) out += ",\"tool_calls\":[" + draft.calls + "\"}}]";
        out += '}';
    } else {
        out += ",\"text\":\"" + draft.text + '"';
    }
    fmt::format_to(std::back_inserter(out), ",\"finish_reason\":\"{}\",\"stop_reason\":{}",
                   choice.finish_name(), choice.stop_reason());
    if (request_.return_token_ids) {
        out += ",\"token_ids\":[" + draft.token_ids + ']';
        if (!request_.chat) out += prompt_token_ids(index);
    }
    out += '}';
}

/// Appends the drafts in order, each as far as it has come.
void AnswerBody::release(std::string& out) {
    if (!began_) {
        out += head_;
        if (request_.chat) out += prompt_token_ids(0);
        out += ",\"choices\":[";
        began_ = true;
    }
    while (turn_ < drafts_.size()) {
        out += std::exchange(drafts_[turn_].ready, {});
        if (!drafts_[turn_].closed) return;
        drafts_[turn_] = {.begun = true, .closed = true};
        if (++turn_ < drafts_.size()) out += ',';
    }
    if (ended_) return;
    ended_ = true;
    out += "],\"usage\":" + render_usage(usage()) + '}';
}

size_t AnswerBody::n_waiting() const {
    size_t n = 0;
    for (size_t i = turn_ + 1; i < drafts_.size(); i++)
        n += drafts_[i].ready.size() + drafts_[i].text.size() + drafts_[i].calls.size();
    return n;
}

}  // namespace qwend
