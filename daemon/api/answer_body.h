#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"

namespace qwend {

/// The bytes of an answer, made as the tokens come: the choices, a dialect's renderer, and what the
/// one has written of the other. Knows neither the engine nor the exchange.
class AnswerBody {
  public:
    /// Any thread may make it, and where prompts are long one beside the loop should. `model`
    /// outlives it.
    AnswerBody(const ModelText& model, Generation generation,
               std::vector<std::vector<int32_t>> prompts, const MakeRenderer& make_renderer);

    const Choices& choices() const { return choices_; }
    const AnswerForm& form() const { return renderer_->form; }

    /// As Choice's.
    bool on_event(int candidate, const TokenEvent& event);
    void abandon(int candidate) { choices_.candidate(candidate).abandon(); }

    /// Appends the next of what can be sent now. It is a bounded part, since what a body repeats of
    /// its prompts, or a choice that had to wait, may be long: behind() says whether there is more,
    /// to be taken in other turns of the loop. With nothing left once the choices are done, the
    /// body has its end, unless one was abandoned: then it has none.
    void take(std::string& out);
    bool behind() const { return is_cut() || has_more_ || has_news_; }
    /// What was taken may end in the middle of an event.
    bool is_cut() const { return !ready_.empty(); }
    /// As AnswerRenderer's, and of candidates what may become choices.
    size_t n_waiting() const { return renderer_->n_waiting() + choices_.n_unchosen(); }
    std::string error_event(const ApiError& error) { return renderer_->error_event(error); }

  private:
    Choices choices_;
    std::unique_ptr<AnswerRenderer> renderer_;
    ByteQueue ready_;        // to be taken
    bool has_more_ = false;  // the renderer stopped before the last choice
    bool has_news_ = false;  // since the choices were last looked at from the first one on
};

}  // namespace qwend
