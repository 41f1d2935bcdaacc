#include "net/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/clock.h"
#include "net/response_head.h"
#include "net/timer.h"

namespace qwend {

namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMaxPending = 64 << 10;  // bytes of pipelined requests read ahead
constexpr size_t kKeptBytes = 4 << 10;    // of their buffer, between requests
// Of one client, before others have theirs. The time is checked between pieces of what was read.
constexpr int kRequestsPerTurn = 32;
constexpr double kSecondsPerTurn = 0.001;
constexpr size_t kPieceBytes = 16 << 10;
constexpr size_t kDiscardedBody = 64 << 10;  // bytes, where none is wanted
constexpr double kReservedSeconds = 1;       // for the request on a reserved connection
constexpr double kLateSeconds = 0.001;       // for what has come while the loop was busy
// For a new client to send, if its place is needed: in the table, and on a reserved connection.
constexpr double kFreshSeconds = 1, kReservedFreshSeconds = 0.05;

}  // namespace

Connection::Connection(ConnectionContext& context, bool is_pipe, bool reserved)
    : context_(context),
      parser_(context.limits),
      body_pace_(context.limits.body_timeout, context.limits.min_body_rate),
      write_pace_(context.limits.write_timeout, context.limits.min_write_rate),
      reserved_(reserved),
      idle_since_(steady_seconds()) {
    if (is_pipe) {
        uv_pipe_init(context.loop, &handle_.pipe, 0);
    } else {
        uv_tcp_init(context.loop, &handle_.tcp);
        uv_tcp_nodelay(&handle_.tcp, 1);  // a token must not wait for the next one
    }
    uv_timer_init(context.loop, &timer_);
    uv_timer_init(context.loop, &write_timer_);
    handle_.handle.data = timer_.data = write_timer_.data = this;
    n_open_handles_ = 3;
    context.n_open++;
    context.n_reserved += reserved;
}

void Connection::start() {
    self_ = shared_from_this();
    // The first request must come soon; only between requests may a client take its time.
    set_timer(context_.limits.header_timeout);
    resume_reading();
}

void Connection::on_exception() {
    if (state_ == State::closed) return;
    keep_alive_ = false;
    if (exchange_ && !exchange_->started()) {
        const ExchangePtr exchange = exchange_;
        return exchange->respond(
            context_.handler.render_error(exchange->request(), 500, "internal error"));
    }
    if (state_ == State::headers || state_ == State::body) return refuse(500, "internal error");
    abandon();
}

/// What is answered already is sent, what is half answered ends there.
void Connection::abandon() {
    if (state_ == State::closed) return;
    close_after_flush_ = true;
    mark_dirty();
    const ExchangePtr exchange = exchange_;
    if (!exchange || exchange->complete()) return;
    tell_gone(*exchange);
}

void Connection::resume_reading() {
    if (reading_ || end_of_input_ || state_ == State::closed) return;
    reading_ = true;
    uv_read_start(
        stream(),
        [](uv_handle_t*, size_t, uv_buf_t* buf) {
            static thread_local std::array<char, kReadBytes>
                buffer;  // one loop, one read at a time
            *buf = uv_buf_init(buffer.data(), buffer.size());
        },
        [](uv_stream_t* stream, ssize_t n, const uv_buf_t* buf) {
            auto* self = static_cast<Connection*>(stream->data);
            self->guard("a read", [=] {
                if (n > 0 && self->state_ != State::lingering)
                    self->pending_.append(buf->base, size_t(n));
                self->on_read(n);
            });
        });
}

void Connection::set_timer(double seconds) {
    late_ = false;
    if (reserved_ && state_ < State::answering) seconds = std::min(seconds, kReservedSeconds);
    start_timer(&timer_, seconds, false, [](uv_timer_t* timer) {
        auto* self = static_cast<Connection*>(timer->data);
        self->guard("a timer", [self] { self->on_timer(); });
    });
}

void Connection::on_timer() {
    const double now = steady_seconds();
    if (state_ == State::body && !reserved_ && now < body_pace_.deadline())
        return set_timer(body_pace_.deadline() - now);
    // If the loop was kept from running, what the client sent in time is still to be read.
    if (!late_ || resuming_) {
        set_timer(kLateSeconds);
        late_ = true;
        return;
    }
    if (state_ == State::headers) return refuse(408, "the headers took too long");
    if (state_ == State::body) return refuse(408, "the body took too long");
    close();
}

void Connection::on_read(ssize_t n_bytes) {
    if (n_bytes == 0) return;
    if (n_bytes < 0) return on_end_of_input(n_bytes);
    if (state_ == State::lingering) return linger_on();
    if (state_ == State::body) body_pace_.advance(steady_seconds(), body_pace_.count() + n_bytes);
    advance();
    // Reading goes on, to notice when the client goes; but not without bound.
    if (pending_.size() - n_parsed_ <= kMaxPending || !reading_) return;
    if (state_ == State::closed || state_ == State::lingering) return;
    reading_ = false;
    uv_read_stop(stream());
}

/// A client that sends its last request and then its end still gets all that is answered by then,
/// or that only waits for it to read; but one whose answer is being made looks like one that left.
void Connection::on_end_of_input(ssize_t error) {
    end_of_input_ = true;
    reading_ = false;
    if (error != UV_EOF || exchange_ || state_ == State::lingering) return client_gone();
    advance();
}

void Connection::consume(size_t n_bytes) {
    n_parsed_ += n_bytes;
    if (n_parsed_ == pending_.size()) {
        pending_.clear();
        if (pending_.capacity() > kKeptBytes) pending_.shrink_to_fit();
        n_parsed_ = 0;
    } else if (n_parsed_ > pending_.size() / 2) {
        pending_.erase(0, n_parsed_);
        n_parsed_ = 0;
    }
}

void Connection::resume() {
    guard("a pipelined request", [this] {
        resuming_ = false;
        begin_turn(context_.n_turns);
        advance();
    });
}

void Connection::begin_turn(uint64_t turn) {
    turn_ = turn;
    n_requests_now_ = 0;
    turn_began_ = steady_seconds();
}

bool Connection::had_its_turn() const {
    if (state_ == State::idle && n_requests_now_ >= kRequestsPerTurn) return true;
    return steady_seconds() - turn_began_ > kSecondsPerTurn;
}

/// Parses what was read until it runs out or a request has to be answered first.
void Connection::advance() {
    if (advancing_ || resuming_) return;  // an answer given at once; the loop below goes on
    advancing_ = true;
    // libuv may read many times before it turns to the next client: all of that is one turn.
    if (context_.n_turns != turn_) begin_turn(context_.n_turns);
    for (bool more = true; more;) {
        // What one request throws is not for whoever answered the one before it.
        more = false;
        guard("a request", [this, &more] { more = parse_some(); });
    }
    advancing_ = false;
    if (state_ == State::closed || state_ == State::answering) return;
    if (resuming_ || congested_) return;
    if (!end_of_input_) return resume_reading();
    // Nothing more can come.
    keep_alive_ = false;
    close_after_flush_ = true;
    mark_dirty();
}

bool Connection::parse_some() {
    if (state_ != State::idle && state_ != State::headers && state_ != State::body) return false;
    if (pending_.empty() || congested_ || close_after_flush_) return false;
    if (had_its_turn()) {
        resuming_ = true;
        context_.resume_later(shared_from_this());
        return false;
    }
    const auto [consumed, event] =
        parser_.feed(std::string_view(pending_).substr(n_parsed_, kPieceBytes));
    consume(consumed);
    if (state_ == State::idle && parser_.began()) {
        state_ = State::headers;
        n_requests_now_++;
        set_timer(context_.limits.header_timeout);
    }
    if (body_share_ &&
        !body_share_->resize(parser_.request().body.size(), context_.limits.max_body_memory))
        refuse(503, "too many bodies are being read; try again");
    else if (event == RequestParser::Event::error)
        refuse(parser_.status(), parser_.message());
    else if (event == RequestParser::Event::headers)
        on_headers();
    else if (event == RequestParser::Event::complete)
        on_complete();
    return true;
}

void Connection::on_headers() {
    state_ = State::body;
    HttpRequest& request = parser_.request();
    request.request_id = choose_request_id(request.header("x-request-id"));
    request.arrived = steady_seconds();
    keep_alive_ = parser_.keep_alive() && !context_.draining && !reserved_;
    HttpVerdict verdict = context_.handler.on_headers(request);
    request.route = verdict.route;
    if (reserved_ && !verdict.light)
        return answer_early(
            context_.handler.render_error(request, 503, "too many connections; try again"));
    if (verdict.answer) return answer_early(std::move(*verdict.answer));
    if (!parser_.has_body()) return on_complete();
    const bool wanted = verdict.max_body > 0;
    const size_t most = wanted ? verdict.max_body : kDiscardedBody;
    if (parser_.limit_body(std::min(most, context_.limits.max_body), wanted) ==
        RequestParser::Event::error)
        return refuse(parser_.status(), parser_.message());
    body_share_ = std::make_unique<BodyShare>(context_.body_bytes);
    if (parser_.expects_continue() && pending_.empty()) {
        out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        mark_dirty();
    }
    body_pace_.start(steady_seconds(), 0);
    set_timer(context_.limits.body_timeout);
}

void Connection::make_exchange() {
    state_ = State::answering;
    uv_timer_stop(&timer_);
    exchange_ = std::make_shared<Exchange>(weak_from_this(), std::move(parser_.request()));
    exchange_->keep(std::move(body_share_));
}

void Connection::on_complete() {
    make_exchange();
    context_.handler.on_request(exchange_);
}

void Connection::answer_early(HttpResponse response) {
    // The rest of a refused body would have to be read to keep the connection: close it instead.
    if (parser_.has_body()) keep_alive_ = false;
    make_exchange();
    const ExchangePtr exchange = exchange_;
    exchange->respond(std::move(response));
}

void Connection::refuse(int status, const std::string& message) {
    HttpRequest& request = parser_.request();
    if (request.request_id.empty()) request.request_id = choose_request_id({});
    request.body = {};
    body_share_.reset();
    keep_alive_ = false;
    pending_.clear();
    n_parsed_ = 0;
    make_exchange();
    const ExchangePtr exchange = exchange_;
    exchange->respond(context_.handler.render_error(exchange->request(), status, message));
}

void Connection::close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    context_.n_open--;
    context_.n_reserved -= reserved_;
    context_.n_unsent -= std::exchange(n_counted_, 0);
    body_share_.reset();
    if (exchange_) {
        const int status = answered_status_ ? answered_status_ : kClientClosedRequest;
        tell_answered(exchange_->request(), status);
        exchange_.reset();
    }
    auto closed = [](uv_handle_t* handle) {
        auto* self = static_cast<Connection*>(handle->data);
        if (--self->n_open_handles_ > 0) return;
        auto last = std::move(self->self_);
        self->context_.on_closed(self);
    };
    uv_close(&handle_.handle, closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&write_timer_), closed);
}

void Connection::close_idle() {
    keep_alive_ = false;
    if (state_ == State::idle) close_when_sent();
}

void Connection::close_half_head() {
    if (state_ == State::headers) close_when_sent();
}

void Connection::close_when_sent() {
    if (n_unsent() == 0) return close();
    uv_timer_stop(&timer_);
    close_after_flush_ = true;  // what is answered is sent, at the reader's pace
    watch_reader();
}

double Connection::idle_since() const {
    if (state_ == State::lingering) return 0;  // its answer is sent
    const double age = steady_seconds() - idle_since_;
    if (reserved_)
        return state_ < State::answering && age > kReservedFreshSeconds ? idle_since_ : -1;
    if (state_ != State::idle || n_unsent() > 0 || !pending_.empty()) return -1;
    return has_answered_ || age > kFreshSeconds ? idle_since_ : -1;
}

}  // namespace qwend
