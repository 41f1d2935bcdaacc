#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/api/availability.h"
#include "daemon/api/body_queue.h"
#include "daemon/api/live_answers.h"
#include "daemon/api/loop_metrics.h"
#include "daemon/api/model_registry.h"
#include "daemon/api/unknown_fields.h"
#include "daemon/api/vector_answer.h"
#include "net/http.h"
#include "net/loop.h"

namespace qwend {

/// What a dialect makes of a body that asks for vectors.
struct ParsedVectors {
    VectorTask task;
    // As ParsedRequest's; these are also of a body with an error.
    int n_unknown_fields = 0;
    std::vector<std::string> unknown_fields;
};

/// Requests for vectors become sequences of the engine, and its events answers. Loop thread; what
/// reads a body runs wherever the BodyQueue has it run.
class Vectors {
  public:
    /// All references outlive this.
    Vectors(EventLoop& loop, BodyQueue& bodies, const ModelRegistry& models,
            const Availability& availability, LiveAnswers& live, LoopMetrics& metrics);

    /// Reads a body in a dialect; an error ends it. Runs on any thread.
    using Parse = std::function<std::optional<ApiError>(
        std::string_view body, const ModelRegistry& models, ParsedVectors& request)>;

    /// Answers the exchange, in the end; a client that goes away cancels what is left of it.
    void start(const ExchangePtr& exchange, Parse parse);
    /// Whether a sequence is one of these; of no other is on_event() to be told.
    static bool owns(SequenceId id) { return id >= kFirstId; }
    void on_event(const TokenEvent& event);
    /// Once all events of a turn are told.
    void flush_touched();

    /// What became of `request`, for the log; empty if it was not one of these. To be asked once,
    /// when net/ is done with it.
    std::string take_summary(const HttpRequest& request);

    int n_in_flight() const { return int(answers_.size()); }
    /// Ends each with the error's status or, if something was sent, in the middle.
    void fail_all(const ApiError& error);

  private:
    static constexpr SequenceId kFirstId = SequenceId(1) << 63;
    using AnswerPtr = std::shared_ptr<VectorAnswer>;

    void submit(const ExchangePtr& exchange, ParsedVectors request);
    ApiError refusal(const Model& model) const;
    void advance(const AnswerPtr& answer);
    void advance_later(const AnswerPtr& answer);
    void let_go(const AnswerPtr& answer);
    /// What is made in the background stands back while clients wait.
    void on_live(bool any);
    bool any_has_room() const;

    EventLoop& loop_;
    BodyQueue& bodies_;
    const ModelRegistry& models_;
    const Availability& availability_;
    LiveAnswers& live_;
    LoopMetrics& metrics_;
    UnknownFields unknown_fields_;
    SequenceId next_id_ = kFirstId;
    std::unordered_map<SequenceId, AnswerPtr> answer_of_;
    std::unordered_map<const VectorAnswer*, AnswerPtr> answers_;
    std::unordered_map<const HttpRequest*, AnswerPtr> unlogged_;
    std::vector<AnswerPtr> touched_;  // to be advanced when the events are told
    std::vector<AnswerPtr> behind_;   // when the loop comes round
    std::function<void()> wake_behind_;
};

}  // namespace qwend
