#include "daemon/api/vectors.h"

#include <algorithm>
#include <utility>

#include "daemon/api/http_answers.h"
#include "daemon/log.h"

namespace qwend {

Vectors::Vectors(EventLoop& loop, BodyQueue& bodies, const ModelRegistry& models,
                 const Availability& availability, LiveAnswers& live, LoopMetrics& metrics)
    : loop_(loop),
      bodies_(bodies),
      models_(models),
      availability_(availability),
      live_(live),
      metrics_(metrics),
      wake_behind_(loop_.make_wake([this] {
          for (const AnswerPtr& answer : std::exchange(behind_, {})) advance(answer);
      })) {
    live_.listen([this](bool any) { on_live(any); });
}

bool Vectors::any_has_room() const {
    return std::ranges::any_of(models_.models(),
                               [](const ModelPtr& model) { return model->engine.has_room(1); });
}

ApiError Vectors::refusal(const Model& model) const {
    return availability_.why_not(model).value_or(
        ApiError{429, "rate_limit_error", "queue_full", "", "the queue is full; try again"});
}

/// As with completions, a full queue refuses before the body is read.
void Vectors::start(const ExchangePtr& exchange, Parse parse) {
    if (!exchange->in_background() && !any_has_room()) live_.make_way();
    if (!any_has_room()) return respond_error(*exchange, refusal(models_.first()));
    // Beside the loop: what stands before each of many texts is encoded with each.
    const auto read = [this, exchange, parse = std::move(parse),
                       models = models_](const std::string& body) {
        auto request = std::make_shared<ParsedVectors>();
        const auto error = parse(body, models, *request);
        return [this, exchange, request, error] {
            metrics_.unknown_fields.add(uint64_t(request->n_unknown_fields));
            for (const std::string& name : unknown_fields_.note(request->unknown_fields))
                log_info("requests have the field {}, which is not known here and changes nothing",
                         name);
            if (error) return respond_error(*exchange, *error);
            submit(exchange, std::move(*request));
        };
    };
    bodies_.read(exchange, read, BodyPlace::beside_loop);
}

void Vectors::submit(const ExchangePtr& exchange, ParsedVectors request) {
    const ModelPtr model = request.task.model;
    const bool in_background = exchange->in_background();
    if (!in_background && !model->engine.has_room(1)) live_.make_way();
    if (in_background ? !has_background_room(model->engine, 1) : !model->engine.has_room(1))
        return respond_error(*exchange, refusal(*model));
    auto answer = std::make_shared<VectorAnswer>(exchange, std::move(request.task));
    answers_[answer.get()] = unlogged_[&exchange->request()] = answer;
    exchange->on_client_gone([this, weak = std::weak_ptr(answer)] {
        if (auto gone = weak.lock()) let_go(gone);
    });
    exchange->on_drained([this, weak = std::weak_ptr(answer)] {
        if (auto drained = weak.lock()) advance_later(drained);
    });
    if (!in_background) live_.begin();
    advance(answer);
}

/// Sends what there is, and asks the engine for what is next.
void Vectors::advance(const AnswerPtr& answer) {
    if (!answers_.contains(answer.get())) return;
    if (answer->flush()) advance_later(answer);
    if (answer->is_complete()) return let_go(answer);
    if (answer->exchange()->in_background() && live_.any()) return;
    std::vector<GenerationRequest> sequences = answer->next_sequences(next_id_);
    if (sequences.empty()) return;
    for (const GenerationRequest& sequence : sequences) answer_of_[sequence.id] = answer;
    answer->engine().submit(std::move(sequences));
}

void Vectors::advance_later(const AnswerPtr& answer) {
    if (std::ranges::find(behind_, answer) != behind_.end()) return;
    if (behind_.empty()) wake_behind_();
    behind_.push_back(answer);
}

void Vectors::on_event(const TokenEvent& event) {
    const auto found = answer_of_.find(event.id);
    if (found == answer_of_.end()) return;  // its request has ended
    const AnswerPtr answer = found->second;
    if (event.finish != FinishReason::none) answer_of_.erase(found);
    if (answer->on_event(event)) {
        if (touched_.empty() || touched_.back() != answer) touched_.push_back(answer);
        return;
    }
    answer->fail(
        answer->error().value_or(availability_.why_not(answer->model())
                                     .value_or(ApiError{503, "unavailable_error", "", "",
                                                        "the engine failed while answering"})));
    let_go(answer);
}

void Vectors::flush_touched() {
    for (const AnswerPtr& answer : std::exchange(touched_, {})) advance(answer);
    // Those that found the queue full have nothing under way that would call for them.
    std::vector<AnswerPtr> starved;
    for (const auto& [_, answer] : answers_)
        if (answer->is_hungry() && answer->in_flight().empty()) starved.push_back(answer);
    for (const AnswerPtr& answer : starved) advance(answer);
}

void Vectors::let_go(const AnswerPtr& answer) {
    for (const SequenceId id : answer->in_flight()) {
        answer->engine().cancel(id);
        answer_of_.erase(id);
    }
    if (answers_.erase(answer.get()) > 0 && !answer->exchange()->in_background()) live_.end();
}

void Vectors::on_live(bool any) {
    for (const auto& [_, answer] : answers_) {
        if (!answer->exchange()->in_background()) continue;
        for (const SequenceId id : answer->in_flight())
            any ? answer->engine().hold(id) : answer->engine().resume(id);
        if (!any) advance_later(answer);
    }
}

std::string Vectors::take_summary(const HttpRequest& request) {
    const auto found = unlogged_.find(&request);
    if (found == unlogged_.end()) return {};
    const std::string summary = found->second->summary();
    unlogged_.erase(found);
    return summary;
}

void Vectors::fail_all(const ApiError& error) {
    const auto open = answers_;
    for (const auto& [_, answer] : open) {
        answer->fail(error);
        let_go(answer);
    }
}

}  // namespace qwend
