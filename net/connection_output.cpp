// The sending half of a connection: answers, the pace of their reader, and the end.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/clock.h"
#include "net/connection.h"
#include "net/response_head.h"
#include "net/timer.h"

namespace qwend {

namespace {

// For the client to take the last answer in: while it still sends, and in all.
constexpr double kLingerSeconds = 2, kMaxLingerSeconds = 10;

}  // namespace

void Connection::send_head(Exchange& exchange, int status, const Headers& headers, bool chunked,
                           ptrdiff_t content_length) {
    const HttpRequest& request = exchange.request();
    Headers added;
    if (context_.handler.add_headers) context_.handler.add_headers(request, added);
    const char* kept = parser_.http_1_0() ? "keep-alive" : "";
    exchange.set_started();
    answered_status_ = status;
    out_.append_with([&](std::string& out) {
        write_response_head(
            out,
            {status, request.request_id, chunked, content_length, keep_alive_ ? kept : "close"},
            {&headers, &added});
    });
    mark_dirty();
}

void Connection::respond(Exchange& exchange, HttpResponse response) {
    if (exchange.started()) return;
    if (context_.draining) keep_alive_ = false;
    const bool bodiless = response.status == 204 || response.status == 304;  // nor a length
    send_head(exchange, response.status, response.headers, false,
              bodiless ? -1 : ptrdiff_t(response.body.size()));
    if (!exchange.request().head) out_.append(std::move(response.body));
    complete(exchange);
}

void Connection::start_stream(Exchange& exchange, int status, const Headers& headers) {
    if (exchange.started()) return;
    chunked_ = !parser_.http_1_0();
    if (!chunked_ || context_.draining) keep_alive_ = false;
    send_head(exchange, status, headers, chunked_, -1);
}

void Connection::write(std::string_view data) {
    if (data.empty() || exchange_->request().head) return;
    out_.append_with([&](std::string& out) {
        if (chunked_) fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
        out.append(data).append(chunked_ ? "\r\n" : "");
    });
    mark_dirty();
    update_congestion();
}

void Connection::finish(Exchange& exchange) {
    if (chunked_ && !exchange.request().head) out_.append("0\r\n\r\n");
    mark_dirty();
    complete(exchange);
}

void Connection::abort(Exchange& exchange) {
    exchange.set_complete();  // the handler's own doing: on_client_gone stays silent
    close_after_flush_ = true;
    mark_dirty();
}

void Connection::complete(Exchange& exchange) {
    exchange.set_complete();
    tell_answered(exchange.request(), answered_status_);
    answered_status_ = 0;
    exchange_.reset();
    has_answered_ = true;
    idle_since_ = steady_seconds();
    if (!keep_alive_) {
        close_after_flush_ = true;
        return;
    }
    state_ = State::idle;
    parser_.reset();
    if (!pending_.empty() || end_of_input_) advance();
}

void Connection::tell_answered(const HttpRequest& request, int status) {
    guarded(context_.handler.report, "on_answered",
            [&] { context_.handler.on_answered(request, status); });
}

void Connection::mark_dirty() {
    if (dirty_ || state_ == State::closed) return;
    context_.dirty.push_back(shared_from_this());
    dirty_ = true;
}

void Connection::flush() {
    dirty_ = false;
    if (state_ == State::closed) return;
    guard("a write", [this] {
        const int rc = out_.flush(stream(), [](uv_stream_t* stream, int status) {
            auto* self = static_cast<Connection*>(stream->data);
            self->guard("a write", [=] { self->on_written(status); });
        });
        if (rc != 0) return client_gone();
        on_sent();
    });
}

void Connection::on_written(int status) {
    if (state_ == State::closed) return;
    if (status < 0) return client_gone();
    on_sent();
}

/// Some bytes have gone: what waited for that goes on.
void Connection::on_sent() {
    update_congestion();
    if (state_ == State::closed) return;
    if (out_.wants_flush()) mark_dirty();
    watch_reader();
    if (n_unsent() > 0) return;
    if (close_after_flush_) return linger();
    if (state_ == State::idle && pending_.empty()) set_timer(context_.limits.keepalive_timeout);
}

/// Says when the client has caught up: to whoever waits to write more, and to its next request.
void Connection::update_congestion() {
    const size_t n = n_unsent(), cap = context_.limits.max_write_queue;
    context_.n_unsent += n - std::exchange(n_counted_, n);
    const bool was_congested = std::exchange(congested_, n > (congested_ ? cap / 2 : cap));
    if (!was_congested || congested_ || state_ == State::closed) return;
    if (const ExchangePtr exchange = exchange_) exchange->tell_drained();
    if (state_ != State::answering && state_ != State::closed) advance();
}

/// A reader that is waited for must keep a pace: one that leaves more than the cap unread, and one
/// whose answer is complete. Others have nothing to take but what their stream brings.
void Connection::watch_reader() {
    const bool waits = n_unsent() > 0 && (congested_ || !exchange_ || close_after_flush_);
    if (std::exchange(watching_, waits) == waits) return;
    if (!waits) {
        uv_timer_stop(&write_timer_);
        return;
    }
    write_pace_.start(steady_seconds(), out_.n_taken(stream()));
    on_write_timer();
}

void Connection::on_write_timer() {
    const double now = steady_seconds();
    write_pace_.advance(now, out_.n_taken(stream()));
    if (now >= write_pace_.deadline()) return client_gone();
    start_timer(&write_timer_, write_pace_.deadline() - now, false, [](uv_timer_t* timer) {
        auto* self = static_cast<Connection*>(timer->data);
        self->guard("a timer", [self] { self->on_write_timer(); });
    });
}

/// The client is not there any more, or as good as: whoever works for it is told.
void Connection::client_gone() {
    const ExchangePtr exchange = exchange_;
    close();
    if (!exchange || exchange->complete()) return;
    tell_gone(*exchange);
}

void Connection::tell_gone(Exchange& exchange) {
    guarded(context_.handler.report, "on_client_gone", [&] { exchange.tell_gone(); });
}

/// Everything is sent: say so, and let the client read it before the connection goes away. Closing
/// with unread input would reset it and could destroy the answer on its way.
void Connection::linger() {
    if (state_ == State::closed || state_ == State::lingering) return;
    const bool aborted = exchange_ != nullptr;
    if (aborted || end_of_input_) return close();
    auto request = std::make_unique<uv_shutdown_t>();
    if (uv_shutdown(request.get(), stream(), [](uv_shutdown_t* done, int) { delete done; }) != 0)
        return close();
    request.release();
    state_ = State::lingering;
    pending_ = {};
    n_parsed_ = 0;
    linger_until_ = steady_seconds() + kMaxLingerSeconds;
    linger_on();
    resume_reading();
}

void Connection::linger_on() {
    set_timer(std::min(kLingerSeconds, linger_until_ - steady_seconds()));
}

void Connection::cut() {
    guard("a slow reader", [this] { client_gone(); });
}

double Connection::slow_since() const {
    return watching_ && state_ != State::closed ? write_pace_.began() : -1;
}

bool Connection::is_sending() const {
    return state_ != State::closed && (exchange_ || n_unsent() > 0);
}

}  // namespace qwend
