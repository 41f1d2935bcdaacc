#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/answer_body.h"
#include "daemon/api/model.h"
#include "net/http.h"

namespace qwend {

/// A request being answered: the candidates of its body are sequences of the engine, whose events
/// become bytes of its exchange, at once or, where it is not streamed, at the end. Loop thread.
class Answer {
  public:
    Answer(ExchangePtr exchange, ModelPtr model, std::unique_ptr<AnswerBody> body);

    const ExchangePtr& exchange() const { return exchange_; }
    const Model& model() const { return *model_; }
    Engine& engine() { return model_->engine; }
    const Choices& choices() const { return body_->choices(); }
    const Generation& generation() const { return choices().generation(); }
    int n_candidates() const { return choices().n_candidates(); }
    SequenceId& sequence_of(int candidate) { return sequences_[size_t(candidate)]; }

    /// Takes one event of a candidate in. True if its sequence should now be cancelled: it has
    /// ended, and what the engine goes on to generate is of no use.
    bool on_event(int candidate, const TokenEvent& event);
    /// Sends what has come together since the last call, as far as AnswerBody gives it at once;
    /// completes the exchange when every choice is done. True if it is complete, or failed: then
    /// fail() is left to say why.
    bool flush(double now);
    /// There is more to send now, for another turn of the loop.
    bool behind() const { return body_->behind(); }
    /// Ends with an error: its own status if nothing was sent, else an event, and a broken stream.
    void fail(const ApiError& error);
    /// The form's ping, if nothing was sent for `interval` seconds; a stream's headers if need be.
    void ping(double now, double interval);
    bool is_done(int candidate) const { return choices().candidate(candidate).done(); }
    bool failed() const { return failed_; }
    /// Why it failed, if that is known here and not the engine's doing.
    const std::optional<ApiError>& error() const { return error_; }
    /// True on the first call since the last flush().
    bool touch() { return !std::exchange(touched_, true); }
    /// For the log: tokens, how each candidate ended, times; " key=value" each.
    std::string summary() const;

  private:
    void open();
    bool flush_document(bool done);

    ExchangePtr exchange_;
    ModelPtr model_;  // before the body, which refers to its text
    std::unique_ptr<AnswerBody> body_;
    std::vector<SequenceId> sequences_;
    std::string out_;  // of a stream's flush(), then empty, with its memory; the document so far
    double last_sent_;
    bool failed_ = false, touched_ = false;
    std::optional<ApiError> error_;
};

}  // namespace qwend
