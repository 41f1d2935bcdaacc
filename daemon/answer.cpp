#include "daemon/answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "daemon/json_writer.h"
#include "daemon/version.h"
#include "net/sse.h"

namespace qwend {

namespace {

size_t count_code_points(std::string_view text) {
    return size_t(std::count_if(text.begin(), text.end(),
                                [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

/// {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":… — without the closing brace.
std::string answer_head(const CompletionRequest& request, const ServedModel& model,
                        const std::string& request_id) {
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

void write_call(JsonWriter& w, const ToolCall& call) {
    w.begin_object().key("id").string(call.id).key("type").string("function");
    w.key("function").begin_object();
    w.key("name").string(call.name).key("arguments").string(call.arguments);
    w.end_object().end_object();
}

}  // namespace

double monotonic_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

Answer::Answer(ExchangePtr exchange, const ServedModel& model, CompletionRequest request,
               std::vector<std::vector<int32_t>> prompts)
    : exchange_(std::move(exchange)),
      model_(model),
      request_(std::move(request)),
      prompts_(std::make_move_iterator(prompts.begin()), std::make_move_iterator(prompts.end())),
      head_(answer_head(
          request_, model,
          request_.request_id.empty() ? exchange_->request().request_id : request_.request_id)),
      last_sent_(monotonic_seconds()) {
    const StopMatcher stops(request_.stops, request_.include_stop);
    for (size_t i = 0; i < prompts_.size() * size_t(request_.n); i++)
        choices_.push_back(
            Choice{.decoder = StreamDecoder(model.tokenizer, request_.skip_special_tokens),
                   .stops = stops,
                   .tool_parser = {},
                   .pending = {},
                   .pending_calls = {},
                   .calls = {},
                   .pending_tokens = {},
                   .token_ids = {},
                   .stop_reason = {}});
}

bool Answer::on_event(int index, const TokenEvent& event) {
    Choice& choice = choices_[size_t(index)];
    if (choice.done) return false;
    if (event.finish == FinishReason::error) {
        failed_ = choice.done = choice.closed = true;
        return false;
    }
    choice.n_cached = event.n_cached_tokens;  // as every event says
    if (event.sampled.token >= 0) {
        choice.n_tokens++;
        if (request_.return_token_ids) choice.token_ids.push_back(event.sampled.token);
        if (request_.sampling.n_logprobs >= 0)
            choice.pending_tokens.push_back({event.sampled, choice.text_length});
        // The token that ends a sequence is no text, unless its text was asked for.
        if (event.finish != FinishReason::stop || request_.include_stop) {
            auto [text, matched] = choice.stops.push(choice.decoder.push(event.sampled.token));
            add_text(choice, std::move(text));
            if (matched >= 0) {
                choice.finish = FinishReason::stop;
                std::string reason;
                append_json_string(reason, request_.stops[size_t(matched)]);
                choice.stop_reason = reason;
                choice.done = true;
                for (auto& piece : choice.tool_parser.finish()) choice.pending += piece.text;
                return event.finish == FinishReason::none;
            }
        }
    }
    if (event.finish != FinishReason::none) settle(choice, event);
    return false;
}

void Answer::settle(Choice& choice, const TokenEvent& event) {
    auto [text, matched] = choice.stops.push(choice.decoder.finish());
    add_text(choice, std::move(text));
    add_text(choice, choice.stops.finish());
    for (auto& piece : choice.tool_parser.finish()) choice.pending += piece.text;
    choice.finish = event.finish;
    choice.done = true;
    const auto& own = request_.stop_token_ids;
    if (event.finish == FinishReason::stop &&
        std::find(own.begin(), own.end(), event.sampled.token) != own.end())
        choice.stop_reason = fmt::to_string(event.sampled.token);
}

void Answer::add_text(Choice& choice, std::string text) {
    if (text.empty()) return;
    choice.text_length += count_code_points(text);
    if (!uses_tools()) {
        choice.pending += text;
        return;
    }
    for (auto& piece : choice.tool_parser.push(text)) {
        choice.pending += piece.text;
        if (!piece.call.name.empty()) choice.pending_calls.push_back(std::move(piece.call));
    }
}

std::string_view Answer::finish_name(const Choice& choice) const {
    if (choice.finish == FinishReason::length) return "length";
    if (choice.finish == FinishReason::abort) return "abort";
    return choice.tool_parser.n_calls() > 0 ? "tool_calls" : "stop";
}

std::string Answer::token_text(int32_t token) const {
    if (request_.tokens_as_ids) return fmt::format("token_id:{}", token);
    return std::string(model_.tokenizer.token_bytes(token));
}

Usage Answer::usage() const {
    Usage usage;
    for (const PromptTokens& prompt : prompts_) usage.prompt_tokens += int(prompt.size());
    for (auto& choice : choices_) usage.completion_tokens += choice.n_tokens;
    for (size_t i = 0; i < choices_.size(); i += size_t(request_.n))
        usage.cached_tokens += choices_[i].n_cached;
    return usage;
}

std::string Answer::chat_logprobs(const Choice& choice) const {
    JsonWriter w;
    auto entry = [&](int32_t token, float logprob) {
        w.begin_object().key("token").string(token_text(token)).key("logprob").number(logprob);
        w.key("bytes").begin_array();
        for (char c : model_.tokenizer.token_bytes(token)) w.integer(uint8_t(c));
        w.end_array();
    };
    w.begin_object().key("content").begin_array();
    for (const TokenInfo& info : choice.pending_tokens) {
        entry(info.sampled.token, info.sampled.logprob);
        w.key("top_logprobs").begin_array();
        for (const TokenLogprob& top : info.sampled.top)
            entry(top.token, top.logprob), w.end_object();
        w.end_array().end_object();
    }
    w.end_array().end_object();
    return w.take();
}

std::string Answer::text_logprobs(const Choice& choice) const {
    JsonWriter tokens, logprobs, tops, offsets;
    tokens.begin_array(), logprobs.begin_array(), tops.begin_array(), offsets.begin_array();
    for (const TokenInfo& info : choice.pending_tokens) {
        tokens.string(token_text(info.sampled.token));
        logprobs.number(info.sampled.logprob);
        offsets.integer(int64_t(info.text_offset));
        tops.begin_object();
        for (const TokenLogprob& top : info.sampled.top)
            tops.key(token_text(top.token)).number(top.logprob);
        tops.end_object();
    }
    tokens.end_array(), logprobs.end_array(), tops.end_array(), offsets.end_array();
    JsonWriter w;
    w.begin_object().key("tokens").raw(tokens.text()).key("token_logprobs").raw(logprobs.text());
    w.key("top_logprobs").raw(tops.text()).key("text_offset").raw(offsets.text()).end_object();
    return w.take();
}

std::string Answer::logprobs(const Choice& choice) const {
    if (request_.sampling.n_logprobs < 0 || choice.pending_tokens.empty()) return "null";
    return request_.chat ? chat_logprobs(choice) : text_logprobs(choice);
}

std::string Answer::echo_text(int choice) const {
    return request_.echo ? model_.tokenizer.decode(prompt_of(choice).tokens(), false)
                         : std::string();
}

void Answer::open_stream() {
    if (exchange_->started()) return;
    exchange_->start_stream(200, {{"Content-Type", "text/event-stream; charset=utf-8"},
                                  {"Cache-Control", "no-cache"},
                                  {"X-Accel-Buffering", "no"}});
}

/// One event. `delta`: the choice's own member ("delta":{…} or "text":"…").
void Answer::chunk(std::string& out, int index, std::string_view delta, std::string_view extra,
                   const Choice* finished) {
    fmt::format_to(std::back_inserter(out), "data: {},\"choices\":[{{\"index\":{},{}{}", head_,
                   index, delta, extra);
    if (finished)
        fmt::format_to(std::back_inserter(out), ",\"finish_reason\":\"{}\",\"stop_reason\":{}",
                       finish_name(*finished), finished->stop_reason.value_or("null"));
    else
        out += ",\"finish_reason\":null";
    out += "}]";
    if (request_.continuous_usage) out += ",\"usage\":" + render_usage(usage());
    out += "}\n\n";
}

void Answer::stream_choice(std::string& out, int index) {
    Choice& choice = choices_[size_t(index)];
    const bool first = !choice.opened && choice.n_tokens + int(choice.done && !choice.closed) > 0;
    if (first) {
        choice.opened = true;
        if (request_.chat)
            chunk(out, index, R"("delta":{"role":"assistant","content":""})", "", nullptr);
        choice.pending.insert(0, echo_text(index));
    }
    std::string extra;
    if (!choice.pending_tokens.empty()) {
        extra = ",\"logprobs\":" + logprobs(choice);
        choice.pending_tokens.clear();
    }
    if (request_.return_token_ids && !choice.token_ids.empty()) {
        extra += fmt::format(",\"token_ids\":[{}]", fmt::join(choice.token_ids, ","));
        choice.token_ids.clear();
    }
    if (!choice.pending.empty() || !extra.empty()) {
        std::string delta = request_.chat ? R"("delta":{"content":")" : R"("text":")";
        append_json_escaped(delta, choice.pending);
        delta += request_.chat ? "\"}" : "\"";
        chunk(out, index, delta, extra, nullptr);
        choice.pending.clear();
    }
    for (ToolCall& call : choice.pending_calls) {
        const int at = choice.n_sent_calls++;
        std::string arguments, name;
        append_json_string(arguments, call.arguments), append_json_string(name, call.name);
        chunk(out, index,
              fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"id":"{}","type":"function",)"
                          R"("function":{{"name":{},"arguments":""}}}}]}})",
                          at, call.id, name),
              "", nullptr);
        chunk(out, index,
              fmt::format(
                  R"("delta":{{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})", at,
                  arguments),
              "", nullptr);
    }
    choice.pending_calls.clear();
    if (choice.done && !choice.closed) {
        choice.closed = true;
        chunk(out, index, request_.chat ? "\"delta\":{}" : "\"text\":\"\"", "", &choice);
    }
}

void Answer::stream_end(std::string& out) {
    if (request_.include_usage)
        fmt::format_to(std::back_inserter(out), "data: {},\"choices\":[],\"usage\":{}}}\n\n", head_,
                       render_usage(usage()));
    out += kSseDone;
}

bool Answer::flush(double now) {
    touched_ = false;
    // Before anything was sent the error can still be a status, which clients know how to repeat.
    if (failed_ && !exchange_->started()) return true;
    const bool done =
        std::all_of(choices_.begin(), choices_.end(), [](auto& choice) { return choice.done; });
    if (!request_.stream) {
        if (done) exchange_->respond(whole());
        return done;
    }
    out_.clear();
    for (int i = 0; i < n_choices(); i++) stream_choice(out_, i);
    if (done && !failed_) stream_end(out_);
    if (!out_.empty()) {
        open_stream();
        exchange_->write(out_);
        last_sent_ = now;
    }
    if (failed_) return true;
    if (done) exchange_->finish();
    return done;
}

std::string Answer::message_json(const Choice& choice) const {
    JsonWriter w;
    w.begin_object().key("role").string("assistant").key("content");
    if (choice.pending.empty() && !choice.pending_calls.empty())
        w.null();
    else
        w.string(choice.pending);
    if (!choice.pending_calls.empty()) {
        w.key("tool_calls").begin_array();
        for (const ToolCall& call : choice.pending_calls) write_call(w, call);
        w.end_array();
    }
    w.end_object();
    return w.take();
}

HttpResponse Answer::whole() const {
    JsonWriter choices;
    choices.begin_array();
    for (int i = 0; i < n_choices(); i++) {
        const Choice& choice = choices_[size_t(i)];
        choices.begin_object().key("index").integer(i);
        if (request_.chat)
            choices.key("message").raw(message_json(choice));
        else
            choices.key("text").string(echo_text(i) + choice.pending);
        choices.key("logprobs").raw(logprobs(choice));
        choices.key("finish_reason").string(finish_name(choice));
        choices.key("stop_reason").raw(choice.stop_reason.value_or("null"));
        if (request_.return_token_ids)
            choices.key("token_ids").raw(fmt::format("[{}]", fmt::join(choice.token_ids, ",")));
        choices.end_object();
    }
    choices.end_array();
    return {200,
            {{"Content-Type", "application/json"}},
            fmt::format("{},\"choices\":{},\"usage\":{}}}", head_, choices.text(),
                        render_usage(usage()))};
}

void Answer::fail(const ApiError& error) {
    for (Choice& choice : choices_) choice.done = true;
    if (!exchange_->started()) {
        HttpResponse response{
            error.status, {{"Content-Type", "application/json"}}, render_error(error)};
        if (error.status == 429 || error.status == 503)
            response.headers.emplace_back("Retry-After", "1");
        return exchange_->respond(std::move(response));
    }
    exchange_->write(sse_event(render_error(error)));
    exchange_->abort();
}

void Answer::ping(double now, double interval) {
    if (!request_.stream || now - last_sent_ < interval) return;
    open_stream();
    exchange_->write(kSsePing);
    last_sent_ = now;
}

}  // namespace qwend
