#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/api/answer.h"
#include "daemon/api/availability.h"
#include "daemon/api/body_queue.h"
#include "daemon/api/live_answers.h"
#include "daemon/api/loop_metrics.h"
#include "daemon/api/model_registry.h"
#include "daemon/api/unknown_fields.h"
#include "daemon/options.h"
#include "net/http.h"
#include "net/loop.h"

namespace qwend {

/// What a dialect makes of a body.
struct ParsedRequest {
    std::optional<HttpResponse> answer;  // where nothing is to be generated; the rest is not set
    ModelPtr model;                      // as the body names it
    Generation generation;
    MakeRenderer make_renderer;
    // Fields that the dialect does not know: how many, and the first few of their names. These are
    // also of a body with an error.
    int n_unknown_fields = 0;
    std::vector<std::string> unknown_fields;
};

/// Requests become sequences of the engine, its events become answers. Loop thread; what reads a
/// body runs wherever the BodyQueue has it run.
class Completions {
  public:
    /// All references outlive this.
    Completions(EventLoop& loop, BodyQueue& bodies, const ModelRegistry& models,
                const Availability& availability, LiveAnswers& live, LoopMetrics& metrics,
                const Options& options);

    /// Reads a body in a dialect; an error ends it. Runs on any thread.
    using Parse = std::function<std::optional<ApiError>(
        std::string_view body, const ModelRegistry& models, ParsedRequest& request)>;

    /// Answers the exchange, in the end; a client that goes away cancels what is left of it.
    void start(const ExchangePtr& exchange, Parse parse, BodyPlace place = BodyPlace::anywhere);
    /// Takes in what a model's engine did for one of its sequences.
    void on_event(Model& model, const TokenEvent& event);
    /// Delivers it, once all events of a turn are told.
    void flush_touched();

    /// What became of the generation that answered `request`, for the log; empty if there was none.
    /// To be asked once, when net/ is done with the request.
    std::string take_summary(const HttpRequest& request);

    int n_in_flight() const { return int(answers_.size()); }
    /// Ends each with an error event or, if nothing was sent, with the error's status.
    void fail_all(const ApiError& error);

  private:
    struct Target {
        std::shared_ptr<Answer> answer;
        int candidate;
    };

    /// A request that is ready for the engine, or why it is not.
    struct Prepared {
        ModelPtr model;
        std::unique_ptr<AnswerBody> body;
        std::optional<OutputForm> form;               // still to be compiled
        std::vector<int32_t> stop_ids;                // that end it
        std::shared_ptr<CompiledForm> compiled_form;  // of a body that has one
        std::optional<ApiError> error;
        std::optional<HttpResponse> answer;
        int n_unknown_fields = 0;  // as ParsedRequest's
        std::vector<std::string> unknown_fields;
    };

    static Prepared prepare(std::string body, const Parse& parse, const ModelRegistry& models);
    static void take_form(GrammarCache::Result result, Prepared& prepared);
    void compile(const ExchangePtr& exchange, Prepared prepared);
    void submit(const ExchangePtr& exchange, Prepared prepared);
    void cancel(const std::shared_ptr<Answer>& answer);
    ApiError refusal(const Model& model) const;
    void flush(const std::shared_ptr<Answer>& answer, double now);
    /// Goes on with an answer in another turn of the loop.
    void flush_later(const std::shared_ptr<Answer>& answer);
    void flush_behind();
    /// A client that does not read its stream gets no more tokens until it does.
    void hold_back(const std::shared_ptr<Answer>& answer);
    void go_on(const std::shared_ptr<Answer>& answer);
    /// What is made in the background stands back while clients wait.
    void on_live(bool any);
    bool make_room(const Model& model, size_t n_sequences, bool in_background);
    void on_ping_tick();

    EventLoop& loop_;
    BodyQueue& bodies_;
    const ModelRegistry& models_;
    const Availability& availability_;
    LiveAnswers& live_;
    LoopMetrics& metrics_;
    const Options& options_;
    UnknownFields unknown_fields_;
    SequenceId next_sequence_ = 1;
    std::unordered_map<SequenceId, Target> targets_;
    std::unordered_map<const Answer*, std::shared_ptr<Answer>> answers_;
    std::unordered_set<const Answer*> held_;  // of them, those whose sequences are held
    // Of every request that net/ has not ended yet, its client's going included.
    std::unordered_map<const HttpRequest*, std::shared_ptr<Answer>> unlogged_;
    std::vector<std::shared_ptr<Answer>> touched_;  // by events that are told
    std::vector<std::shared_ptr<Answer>> behind_;   // to be flushed when the loop comes round
    std::function<void()> wake_behind_;
    std::shared_ptr<EventLoop::Timer> ping_timer_;  // only while somebody may need a ping
};

}  // namespace qwend
