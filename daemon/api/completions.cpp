#include "daemon/api/completions.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <climits>

#include "daemon/api/responses.h"
#include "daemon/log.h"

namespace qwend {

namespace {

constexpr double kPingTick = 1;  // s; how exactly ping_interval is kept

uint64_t random_seed() {
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

}  // namespace

Completions::Completions(EventLoop& loop, BodyQueue& bodies, Engine& engine, LoopMetrics& metrics,
                         const Options& options, const ServedModel& model,
                         std::function<std::optional<ApiError>()> unavailable)
    : loop_(loop),
      bodies_(bodies),
      engine_(engine),
      metrics_(metrics),
      options_(options),
      model_(model),
      unavailable_(std::move(unavailable)),
      wake_behind_(loop.make_wake([this] { flush_behind(); })) {}

int Completions::context_limit() const {
    const auto info = engine_.backend_info();
    return info ? std::min(model_.max_model_len, info->n_blocks * info->block_size)
                : model_.max_model_len;
}

EncodedPrompts Completions::encode(const CompletionRequest& request) const {
    EncodedPrompts encoded;
    if (!request.messages.empty()) {
        RenderResult rendered =
            render_chat(model_.chat_template, request.messages, request.chat_options);
        if (!rendered.error.empty()) {
            encoded.error =
                bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param);
            return encoded;
        }
        encoded.prompts.push_back(
            model_.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans));
    }
    for (const Prompt& prompt : request.prompts) {
        if (auto* ids = std::get_if<std::vector<int32_t>>(&prompt))
            encoded.prompts.push_back(*ids);
        else
            encoded.prompts.push_back(
                model_.tokenizer.encode_with_added_tokens(std::get<std::string>(prompt)));
    }
    return encoded;
}

/// Fits the request to the model: context, stop ids, seed.
std::optional<ApiError> Completions::fit(CompletionRequest& request,
                                         std::vector<std::vector<int32_t>>& prompts,
                                         int context_limit) const {
    constexpr int kDefaultTextTokens = 16;  // OpenAI's
    const int wanted = request.max_tokens.value_or(request.chat ? 1 : kDefaultTextTokens);
    int most = request.truncate_prompt_tokens.value_or(INT_MAX);
    if (most == kToContext) most = std::max(context_limit - wanted, 1);
    size_t longest = 0;
    for (size_t i = 0; i < prompts.size(); i++) {
        std::vector<int32_t>& prompt = prompts[i];
        const bool truncated = prompt.size() > size_t(most);
        if (truncated) prompt.erase(prompt.begin(), prompt.end() - most);
        // The client's own text is echoed, as far as there is one: encoding normalises it.
        if (request.echo &&
            (truncated || std::holds_alternative<std::vector<int32_t>>(request.prompts[i])))
            request.prompts[i] = model_.tokenizer.decode(prompt, false);
        if (prompt.empty())
            return bad_request("the prompt is empty", request.chat ? "messages" : "prompt");
        longest = std::max(longest, prompt.size());
    }
    if (longest + size_t(wanted) > size_t(context_limit))
        return bad_request(
            fmt::format("This model's maximum context length is {} tokens, but the prompt has {} "
                        "tokens and room for {} more was asked for; shorten one of the two",
                        context_limit, longest, wanted),
            request.chat ? "messages" : "prompt", "context_length_exceeded");
    if (!request.max_tokens)
        request.max_tokens = request.chat ? context_limit - int(longest) : kDefaultTextTokens;
    request.sampling.seed = request.seed.value_or(random_seed());
    request.sampling.stop_token_ids = request.stop_token_ids;
    const auto& ends = request.chat ? model_.chat_eos_token_ids : model_.eos_token_ids;
    if (!request.ignore_eos)
        request.sampling.stop_token_ids.insert(request.sampling.stop_token_ids.end(), ends.begin(),
                                               ends.end());
    if (masks_everything(request.sampling))
        return bad_request(
            "allowed_token_ids: all of them end the answer, which min_tokens forbids "
            "at its beginning; allow another id, or set min_tokens to 0",
            "allowed_token_ids");
    return std::nullopt;
}

Completions::Prepared Completions::prepare(std::string_view body, const Parse& parse,
                                           std::string_view id, int context_limit) const {
    Prepared prepared;
    CompletionRequest request;
    EncodedPrompts encoded;
    prepared.error = parse(body, request);
    if (!prepared.error) {
        encoded = encode(request);
        prepared.error = encoded.error;
    }
    if (!prepared.error) prepared.error = fit(request, encoded.prompts, context_limit);
    prepared.n_unknown_fields = request.n_unknown_fields;
    prepared.unknown_fields = std::move(request.unknown_fields);
    if (!prepared.error)
        prepared.body = std::make_unique<AnswerBody>(model_, std::move(request),
                                                     std::move(encoded.prompts), id);
    return prepared;
}

ApiError Completions::refusal() const {
    return unavailable_().value_or(
        ApiError{429, "rate_limit_error", "queue_full", "", "the queue is full; try again"});
}

/// A full queue refuses before the body is parsed and tokenised: under overload these would take
/// their time from the answers that are being given.
void Completions::start(const ExchangePtr& exchange, Parse parse) {
    if (!engine_.has_room(1)) return exchange->respond(error_response(refusal()));
    const int limit = context_limit();  // the engine is asked on the loop only
    bodies_.read(exchange, [this, exchange, parse = std::move(parse),
                            limit](std::string_view body) {
        auto prepared =
            std::make_shared<Prepared>(prepare(body, parse, exchange->request().request_id, limit));
        return [this, exchange, prepared] { submit(exchange, std::move(*prepared)); };
    });
}

void Completions::submit(const ExchangePtr& exchange, Prepared prepared) {
    metrics_.unknown_fields.add(uint64_t(prepared.n_unknown_fields));
    for (const std::string& name : unknown_fields_.note(prepared.unknown_fields))
        log_info("requests have the field {}, which is not known here and changes nothing", name);
    if (prepared.error) return exchange->respond(error_response(*prepared.error));
    auto answer = std::make_shared<Answer>(exchange, std::move(prepared.body));
    std::vector<GenerationRequest> sequences;
    for (int i = 0; i < answer->n_choices(); i++) {
        GenerationRequest sequence;
        sequence.id = answer->sequence_of(i) = next_sequence_++;
        sequence.prompt = answer->prompt_of(i);
        sequence.sampling = answer->request().sampling;
        // Choices differ, and each can be had again; a prompt has the same, alone or among others.
        sequence.sampling.seed += uint64_t(i % answer->request().n);
        sequence.n_choices = answer->request().n;
        sequence.max_tokens = *answer->request().max_tokens;
        sequence.priority = answer->request().priority;
        sequence.cache_salt = answer->request().cache_salt;
        sequences.push_back(std::move(sequence));
    }
    if (!engine_.submit(std::move(sequences))) return exchange->respond(error_response(refusal()));
    for (int i = 0; i < answer->n_choices(); i++) targets_[answer->sequence_of(i)] = {answer, i};
    answers_[answer.get()] = unlogged_[&exchange->request()] = answer;
    exchange->on_client_gone([this, weak = std::weak_ptr(answer)] {
        if (auto gone = weak.lock()) cancel(gone);
    });
    exchange->on_drained([this, weak = std::weak_ptr(answer)] {
        if (auto drained = weak.lock()) go_on(drained);
    });
    if (!ping_timer_)
        ping_timer_ = loop_.add_timer(std::min(kPingTick, options_.ping_interval), true,
                                      [this] { on_ping_tick(); });
}

/// Lets go of an answer, complete or not.
void Completions::cancel(const std::shared_ptr<Answer>& answer) {
    for (int i = 0; i < answer->n_choices(); i++)
        if (!answer->choice_done(i)) engine_.cancel(answer->sequence_of(i));
    for (int i = 0; i < answer->n_choices(); i++) targets_.erase(answer->sequence_of(i));
    answers_.erase(answer.get());
    held_.erase(answer.get());
    if (answers_.empty()) ping_timer_.reset();
}

void Completions::hold_back(const std::shared_ptr<Answer>& answer) {
    if (!held_.insert(answer.get()).second) return;
    for (int i = 0; i < answer->n_choices(); i++)
        if (!answer->choice_done(i)) engine_.hold(answer->sequence_of(i));
}

void Completions::go_on(const std::shared_ptr<Answer>& answer) {
    if (held_.erase(answer.get()) == 0) return;
    for (int i = 0; i < answer->n_choices(); i++)
        if (!answer->choice_done(i)) engine_.resume(answer->sequence_of(i));
    if (answer->behind()) flush_later(answer);
}

void Completions::flush_later(const std::shared_ptr<Answer>& answer) {
    if (std::find(behind_.begin(), behind_.end(), answer) != behind_.end()) return;
    if (behind_.empty()) wake_behind_();
    behind_.push_back(answer);
}

void Completions::flush_behind() {
    const double now = monotonic_seconds();
    for (const std::shared_ptr<Answer>& answer : std::exchange(behind_, {}))
        if (answers_.contains(answer.get())) flush(answer, now);
}

void Completions::flush(const std::shared_ptr<Answer>& answer, double now) {
    if (answer->flush(now)) {
        if (answer->failed())
            answer->fail(answer->error().value_or(unavailable_().value_or(
                ApiError{503, "unavailable_error", "", "", "the engine failed while answering"})));
        return cancel(answer);
    }
    if (answer->exchange()->congested())
        hold_back(answer);
    else if (answer->behind())
        flush_later(answer);
}

void Completions::on_ping_tick() {
    const double now = monotonic_seconds();
    const auto open = answers_;  // a ping may find its client gone
    for (auto& [key, answer] : open) answer->ping(now, options_.ping_interval);
}

void Completions::on_engine_events() {
    std::vector<std::shared_ptr<Answer>> touched;
    for (TokenEvent& event : engine_.take_events()) {
        auto found = targets_.find(event.id);
        if (found == targets_.end()) continue;  // cancelled meanwhile
        const auto& [answer, choice] = found->second;
        if (answer->touch()) touched.push_back(answer);
        if (answer->on_event(choice, event)) engine_.cancel(event.id, FinishReason::stop);
    }
    const double now = monotonic_seconds();
    for (const std::shared_ptr<Answer>& answer : touched)
        if (answers_.contains(answer.get())) flush(answer, now);
}

std::string Completions::take_summary(const HttpRequest& request) {
    const auto found = unlogged_.find(&request);
    if (found == unlogged_.end()) return {};
    const std::string summary = found->second->summary();
    unlogged_.erase(found);
    return summary;
}

void Completions::fail_all(const ApiError& error) {
    const auto open = answers_;
    for (auto& [key, answer] : open) {
        answer->fail(error);
        cancel(answer);
    }
}

}  // namespace qwend
