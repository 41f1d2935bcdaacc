#include "daemon/api/completions.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/api/http_answers.h"
#include "daemon/api/prompts.h"
#include "daemon/api/tool_form.h"
#include "daemon/api/vector_inputs.h"
#include "daemon/engine/repetition.h"
#include "daemon/log.h"
#include "model/utf8.h"
#include "net/clock.h"

namespace qwend {

namespace {

constexpr double kPingTick = 1;  // s; how exactly ping_interval is kept

/// Whether the model's device can keep an answer in a form; it is not asked before it is known.
bool can_mask(const Model& model) {
    const auto device = model.engine.backend_info();
    return !device || device->vocabulary_masks;
}

/// Why the model's device cannot do what is asked, if it is known already.
std::optional<ApiError> incapable(const Model& model, const Generation& generation) {
    const auto device = model.engine.backend_info();
    if (!device || device->vocabulary_masks) return std::nullopt;
    if (generation.form)
        return bad_request(
            fmt::format("{}: what serves this model here ({}) cannot keep an answer in "
                        "a form",
                        generation.form->field, device->device),
            generation.form->field, "unsupported_parameter");
    if (!generation.banned) return std::nullopt;
    const std::string word = model.text->tokenizer.decode(generation.banned->front(), false, false);
    return bad_request(
        fmt::format("bad_words: \"{}\" is more than one token, and what serves this model here "
                    "({}) can only forbid single ones",
                    excerpt(word), device->device),
        "bad_words", "unsupported_parameter");
}

/// How guesses are made for sequences; none where max_drafts is 0.
struct Speculation {
    int max_drafts = 0;
    float row_cost = 1;  // BackendInfo's
};

Speculation speculation_of(const Model& model, const Options& options) {
    constexpr int kMaxDrafts = 7;  // where a step's time is that of reading the weights, cheap
    const auto device = model.engine.backend_info();
    if (!device || !options.speculation) return {};
    return {std::min(device->max_samples - 1, kMaxDrafts), device->draft_row_cost};
}

/// What keeps a sequence within `form`, which may be nullptr, and without banned words, and what
/// guesses its text.
void constrain_sequence(GenerationRequest& sequence, const Generation& generation,
                        const std::shared_ptr<CompiledForm>& form, int n_vocab,
                        Speculation speculation) {
    const auto [max_drafts, row_cost] = speculation;
    if (max_drafts > 0) sequence.drafter = draft_repetitions(row_cost, max_drafts);
    if (form) {
        const auto output = std::make_shared<FormedOutput>(FormedOutput{form});
        sequence.constraint = constrain(output);
        if (max_drafts > 0)
            sequence.drafter =
                first_of(draft_forced(output, row_cost, max_drafts), *std::move(sequence.drafter));
    }
    if (!generation.banned) return;
    Constraint words = ban(generation.banned, n_vocab);
    sequence.constraint = form ? all_of(*std::move(sequence.constraint), std::move(words), n_vocab)
                               : std::move(words);
}

/// What the engine is asked for, a sequence for each candidate; their ids are the caller's.
std::vector<GenerationRequest> sequences_of(const Choices& choices,
                                            const std::shared_ptr<CompiledForm>& form,
                                            Speculation speculation) {
    const Generation& generation = choices.generation();
    const int n_each = choices.n_candidates_each();
    std::vector<GenerationRequest> sequences(size_t(choices.n_candidates()));
    for (int i = 0; i < choices.n_candidates(); i++) {
        GenerationRequest& sequence = sequences[size_t(i)];
        sequence.prompt = choices.prompt_of_candidate(i);
        sequence.sampling = generation.sampling;
        // Choices differ, and each can be had again; a prompt has the same, alone or among others.
        sequence.sampling.seed += uint64_t(i % n_each);
        if (choices.chooses())
            sequence.sampling.n_logprobs = std::max(generation.sampling.n_logprobs, 0);
        sequence.n_choices = n_each;
        sequence.max_tokens = std::max(*generation.max_tokens, 1);
        if (i % n_each == 0)  // the others have the same prompt
            sequence.n_prompt_logprobs = generation.n_prompt_logprobs;
        sequence.priority = generation.priority;
        sequence.cache_salt = generation.cache_salt;
        constrain_sequence(sequence, generation, form, choices.tokenizer().size(), speculation);
    }
    return sequences;
}

}  // namespace

Completions::Completions(EventLoop& loop, BodyQueue& bodies, const ModelRegistry& models,
                         const Availability& availability, LiveAnswers& live, LoopMetrics& metrics,
                         const Options& options)
    : loop_(loop),
      bodies_(bodies),
      models_(models),
      availability_(availability),
      live_(live),
      metrics_(metrics),
      options_(options),
      wake_behind_(loop.make_wake([this] { flush_behind(); })) {
    live_.listen([this](bool any) { on_live(any); });
}

Completions::Prepared Completions::prepare(std::string body, const Parse& parse,
                                           const ModelRegistry& models) {
    ParsedRequest request;
    Prepared prepared;
    std::optional<ApiError>& error = prepared.error;
    error = parse(body, models, request);
    std::string().swap(body);  // templates and ids need memory of their own
    prepared.n_unknown_fields = request.n_unknown_fields;
    prepared.unknown_fields = std::move(request.unknown_fields);
    prepared.answer = std::move(request.answer);
    if (error || prepared.answer) return prepared;
    prepared.model = request.model;
    const ModelText& text = *request.model->text;
    if (!text.config.generates()) {
        error = makes_no("text", text);
        return prepared;
    }
    EncodedPrompts encoded = encode_prompts(text, request.generation);
    error = encoded.error;
    request.generation.begins_in_reasoning = encoded.end_in_reasoning;
    if (!error)
        error = fit_generation(text, request.model->context_limit(), request.generation,
                               encoded.prompts);
    if (!error)
        error = settle_form(text.output_format, can_mask(*request.model), request.generation);
    if (!error) error = incapable(*request.model, request.generation);
    if (!error && request.generation.form) {
        prepared.form = std::move(request.generation.form);
        request.generation.form_field = prepared.form->field;
        prepared.stop_ids = request.generation.sampling.stop_token_ids;
        if (auto known = request.model->grammars.find(*prepared.form, prepared.stop_ids))
            take_form(*std::move(known), prepared);
    }
    if (!error)
        prepared.body = std::make_unique<AnswerBody>(
            text, std::move(request.generation), std::move(encoded.prompts), request.make_renderer);
    return prepared;
}

ApiError Completions::refusal(const Model& model) const {
    return availability_.why_not(model).value_or(
        ApiError{429, "rate_limit_error", "queue_full", "", "the queue is full; try again"});
}

/// A full queue refuses before the body is parsed and tokenised: under overload these would take
/// their time from the answers that are being given.
void Completions::start(const ExchangePtr& exchange, Parse parse, BodyPlace place) {
    const auto any_has_room = [this] {
        return std::ranges::any_of(models_.models(),
                                   [](auto& model) { return model->engine.has_room(1); });
    };
    const bool in_background = exchange->in_background();
    if (!in_background && !any_has_room()) live_.make_way();
    if (!any_has_room()) return respond_error(*exchange, refusal(models_.first()));
    if (in_background) place = BodyPlace::beside_loop;
    bodies_.read(
        exchange,
        [this, exchange, parse = std::move(parse), models = models_](std::string body) {
            auto prepared = std::make_shared<Prepared>(prepare(std::move(body), parse, models));
            return [this, exchange, prepared] { submit(exchange, std::move(*prepared)); };
        },
        place);
}

void Completions::take_form(GrammarCache::Result result, Prepared& prepared) {
    const OutputForm form = *std::exchange(prepared.form, std::nullopt);
    if (auto* compiled = std::get_if<std::shared_ptr<CompiledForm>>(&result)) {
        prepared.compiled_form = std::move(*compiled);
        return;
    }
    const FormError& error = std::get<FormError>(result);
    const std::string& field = error.tool ? form.calls->tools[*error.tool].field : form.field;
    prepared.error = bad_request(fmt::format("{}: {}", field, error.message), field);
}

/// What is asked for the first time is compiled beside the loop, as a large body is read.
void Completions::compile(const ExchangePtr& exchange, Prepared prepared) {
    auto shared = std::make_shared<Prepared>(std::move(prepared));
    bodies_.read(
        exchange,
        [this, exchange, shared](std::string) {
            take_form(shared->model->grammars.compile(*shared->form, shared->stop_ids), *shared);
            return [this, exchange, shared] { submit(exchange, std::move(*shared)); };
        },
        BodyPlace::beside_loop);
}

void Completions::submit(const ExchangePtr& exchange, Prepared prepared) {
    metrics_.unknown_fields.add(uint64_t(std::exchange(prepared.n_unknown_fields, 0)));
    for (const std::string& name : unknown_fields_.note(std::exchange(prepared.unknown_fields, {})))
        log_info("requests have the field {}, which is not known here and changes nothing", name);
    if (prepared.error) return respond_error(*exchange, *prepared.error);
    if (prepared.answer) return exchange->respond(std::move(*prepared.answer));
    if (prepared.form) return compile(exchange, std::move(prepared));
    auto answer = std::make_shared<Answer>(exchange, prepared.model, std::move(prepared.body));
    std::vector<GenerationRequest> sequences = sequences_of(
        answer->choices(), prepared.compiled_form, speculation_of(*prepared.model, options_));
    for (int i = 0; i < answer->n_candidates(); i++)
        sequences[size_t(i)].id = answer->sequence_of(i) = next_sequence_++;
    const bool in_background = exchange->in_background();
    if (in_background)
        for (GenerationRequest& sequence : sequences)
            sequence.priority += kBackgroundPriority, sequence.yields = true;
    if (!make_room(*prepared.model, sequences.size(), in_background) ||
        !prepared.model->engine.submit(std::move(sequences)))
        return respond_error(*exchange, refusal(*prepared.model));
    for (int i = 0; i < answer->n_candidates(); i++) targets_[answer->sequence_of(i)] = {answer, i};
    answers_[answer.get()] = unlogged_[&exchange->request()] = answer;
    exchange->on_client_gone([this, weak = std::weak_ptr(answer)] {
        if (auto gone = weak.lock()) cancel(gone);
    });
    exchange->on_drained([this, weak = std::weak_ptr(answer)] {
        if (auto drained = weak.lock()) go_on(drained);
    });
    if (!in_background)
        live_.begin();
    else if (live_.any())
        hold_back(answer);
    if (!ping_timer_)
        ping_timer_ = loop_.add_timer(std::min(kPingTick, options_.ping_interval), true,
                                      [this] { on_ping_tick(); });
}

/// Lets go of an answer, complete or not.
void Completions::cancel(const std::shared_ptr<Answer>& answer) {
    for (int i = 0; i < answer->n_candidates(); i++)
        if (!answer->is_done(i)) answer->engine().cancel(answer->sequence_of(i));
    for (int i = 0; i < answer->n_candidates(); i++) targets_.erase(answer->sequence_of(i));
    const bool was_open = answers_.erase(answer.get()) > 0;
    held_.erase(answer.get());
    if (answers_.empty()) ping_timer_.reset();
    if (was_open && !answer->exchange()->in_background()) live_.end();
}

void Completions::on_live(bool any) {
    for (const auto& [_, answer] : answers_)
        if (answer->exchange()->in_background()) any ? hold_back(answer) : go_on(answer);
}

/// Whether the engine takes so many sequences. For a client's the background makes way.
bool Completions::make_room(const Model& model, size_t n_sequences, bool in_background) {
    if (in_background) return has_background_room(model.engine, n_sequences);
    if (!model.engine.has_room(n_sequences)) live_.make_way();
    return true;  // submit() says
}

void Completions::hold_back(const std::shared_ptr<Answer>& answer) {
    if (!held_.insert(answer.get()).second) return;
    for (int i = 0; i < answer->n_candidates(); i++)
        if (!answer->is_done(i)) answer->engine().hold(answer->sequence_of(i));
}

void Completions::go_on(const std::shared_ptr<Answer>& answer) {
    if (held_.erase(answer.get()) == 0) return;
    for (int i = 0; i < answer->n_candidates(); i++)
        if (!answer->is_done(i)) answer->engine().resume(answer->sequence_of(i));
    if (answer->behind()) flush_later(answer);
}

void Completions::flush_later(const std::shared_ptr<Answer>& answer) {
    if (std::find(behind_.begin(), behind_.end(), answer) != behind_.end()) return;
    if (behind_.empty()) wake_behind_();
    behind_.push_back(answer);
}

void Completions::flush_behind() {
    const double now = steady_seconds();
    for (const std::shared_ptr<Answer>& answer : std::exchange(behind_, {}))
        if (answers_.contains(answer.get())) flush(answer, now);
}

void Completions::flush(const std::shared_ptr<Answer>& answer, double now) {
    if (answer->flush(now)) {
        if (answer->failed())
            answer->fail(answer->error().value_or(
                availability_.why_not(answer->model())
                    .value_or(ApiError{503, "unavailable_error", "", "",
                                       "the engine failed while answering"})));
        return cancel(answer);
    }
    if (answer->exchange()->congested())
        hold_back(answer);
    else if (answer->behind())
        flush_later(answer);
}

void Completions::on_ping_tick() {
    const double now = steady_seconds();
    const auto open = answers_;  // a ping may find its client gone
    for (auto& [key, answer] : open) answer->ping(now, options_.ping_interval);
}

void Completions::on_event(Model& model, const TokenEvent& event) {
    auto found = targets_.find(event.id);
    if (found == targets_.end()) return;  // cancelled meanwhile
    const auto& [answer, candidate] = found->second;
    if (answer->touch()) touched_.push_back(answer);
    if (answer->on_event(candidate, event)) model.engine.cancel(event.id, FinishReason::stop);
}

void Completions::flush_touched() {
    const double now = steady_seconds();
    for (const std::shared_ptr<Answer>& answer : std::exchange(touched_, {}))
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
