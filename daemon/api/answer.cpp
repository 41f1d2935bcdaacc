#include "daemon/api/answer.h"

#include <fmt/format.h>

#include "daemon/api/http_answers.h"
#include "net/clock.h"

namespace qwend {

namespace {

// A document's bytes that are kept until its status can be given; more are sent as they come.
constexpr size_t kKeptBytes = 1 << 20;
// Bytes that later choices of a document may have ready while an earlier one goes on.
constexpr size_t kMaxWaiting = 32 << 20;

}  // namespace

Answer::Answer(ExchangePtr exchange, ModelPtr model, std::unique_ptr<AnswerBody> body)
    : exchange_(std::move(exchange)),
      model_(std::move(model)),
      body_(std::move(body)),
      sequences_(size_t(body_->choices().n_candidates())),
      last_sent_(steady_seconds()) {}

bool Answer::on_event(int index, const TokenEvent& event) {
    if (is_done(index)) return false;
    if (event.finish == FinishReason::error) {
        failed_ = true;
        // Numbers are the model's fault; what else an answer of its own can fail of was asked for.
        if (event.sampled.token == kNotANumber)
            error_ = ApiError{500, "server_error", "", "", std::string(event.error)};
        else if (!event.error.empty())
            error_ = bad_request(std::string(event.error), generation().form_field);
        body_->abandon(index);
        return false;
    }
    return body_->on_event(index, event);
}

void Answer::open() {
    if (exchange_->started()) return;
    exchange_->start_stream(200, {{"Content-Type", body_->form().content_type},
                                  {"Cache-Control", "no-cache"},
                                  {"X-Accel-Buffering", "no"}});
}

bool Answer::flush(double now) {
    touched_ = false;
    // Before anything was sent the error can still be a status, which clients know how to repeat.
    if (failed_ && !exchange_->started()) return true;
    body_->take(out_);
    const bool done = choices().done() && !behind();
    if (!body_->form().is_stream) return flush_document(done);
    if (!out_.empty()) {
        open();
        exchange_->write(out_);
        out_.clear();
        last_sent_ = now;
    }
    if (failed_) return true;
    if (done) exchange_->finish();
    return done;
}

bool Answer::flush_document(bool done) {
    if (failed_) return true;
    if (done && !exchange_->started()) {
        exchange_->respond({200, {{"Content-Type", body_->form().content_type}}, std::move(out_)});
        return true;
    }
    if (body_->n_waiting() > kMaxWaiting) {
        failed_ = true;
        error_ =
            bad_request(fmt::format("the answer's choices exceed {} MiB: ask for one at a "
                                    "time, for fewer logprobs, or for a stream",
                                    kMaxWaiting >> 20));
        return true;
    }
    if (done || out_.size() > kKeptBytes) {
        open();
        exchange_->write(std::exchange(out_, {}));
    }
    if (done) exchange_->finish();
    return done;
}

void Answer::fail(const ApiError& error) {
    failed_ = true;
    if (!exchange_->started()) return respond_error(*exchange_, error);
    // An event that has not been sent whole leaves no place for another.
    if (body_->form().is_stream && !body_->is_cut()) exchange_->write(body_->error_event(error));
    exchange_->abort();
}

void Answer::ping(double now, double interval) {
    if (body_->form().ping.empty() || body_->is_cut() || now - last_sent_ < interval) return;
    open();
    exchange_->write(body_->form().ping);
    last_sent_ = now;
}

std::string Answer::summary() const {
    const Usage usage = choices().usage();
    std::string out = fmt::format(
        " prompt_tokens={} cached_tokens={} completion_tokens={} finish=", usage.prompt_tokens,
        usage.cached_tokens, usage.completion_tokens);
    for (int i = 0; i < n_candidates(); i++) {
        const Choice& choice = choices().candidate(i);
        const bool failed = failed_ && choice.finish() == FinishReason::none;
        out.append(i > 0 ? "," : "").append(failed ? "error" : choice.finish_name());
    }
    auto add_time = [&](const char* name, double seconds) {
        fmt::format_to(std::back_inserter(out), " {}={:.1f}", name, seconds * 1e3);
    };
    const AnswerTimes& times = choices().times();
    if (times.queued >= 0) add_time("queue_ms", times.queued);
    if (times.first_token >= 0)
        add_time("ttft_ms", times.first_token - exchange_->request().arrived);
    return out;
}

}  // namespace qwend
