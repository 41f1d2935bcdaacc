#include "net/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <random>

namespace qwend {

namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kMaxPending = 256 << 10;  // bytes of pipelined requests read ahead
constexpr double kLingerSeconds = 2;       // for the client to take the last answer in

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
const std::string& http_date() {
    static std::string text;
    static std::time_t made = 0;
    if (const std::time_t now = std::time(nullptr); now != made) {
        made = now;
        std::tm utc;
        gmtime_r(&now, &utc);
        char buffer[64];
        text.assign(buffer,
                    std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &utc));
    }
    return text;
}

bool is_sane_request_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 &&
           std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

Connection::Connection(ConnectionContext& context, bool is_pipe)
    : context_(context), parser_(context.limits) {
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
}

void Connection::start() {
    self_ = shared_from_this();
    // The first request must come soon; only between requests may a client take its time.
    set_timer(context_.limits.header_timeout);
    resume_reading();
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
            if (n > 0 && self->state_ != State::lingering)
                self->pending_.append(buf->base, size_t(n));
            self->on_read(n);
        });
}

void Connection::set_timer(double seconds) {
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Connection*>(timer->data)->on_timer(); },
        uint64_t(seconds * 1000), 0);
}

void Connection::on_timer() {
    if (state_ == State::headers) return refuse(408, "the headers took too long");
    if (state_ == State::body) return refuse(408, "the body took too long");
    close();
}

void Connection::on_read(ssize_t n_bytes) {
    if (n_bytes == 0) return;
    if (n_bytes < 0) {
        end_of_input_ = true;
        // A client that sends its last request and then its end still gets what is answered.
        if (n_bytes != UV_EOF || exchange_ || n_unsent() == 0) return client_gone();
        keep_alive_ = false;
        close_after_flush_ = true;
        return mark_dirty();
    }
    if (state_ == State::lingering) return;
    if (state_ == State::body) set_timer(context_.limits.body_timeout);
    if (state_ == State::answering) {
        // Reading goes on, to notice when the client goes; but not without bound.
        if (pending_.size() > kMaxPending && reading_) {
            reading_ = false;
            uv_read_stop(stream());
        }
        return;
    }
    advance();
}

/// Parses what was read until it runs out or a request has to be answered first.
void Connection::advance() {
    if (advancing_) return;  // an answer given at once; the loop below goes on
    advancing_ = true;
    while (state_ == State::idle || state_ == State::headers || state_ == State::body) {
        if (pending_.empty() || congested_) break;
        const auto [consumed, event] = parser_.feed(pending_);
        pending_.erase(0, consumed);
        if (state_ == State::idle && parser_.began()) {
            state_ = State::headers;
            set_timer(context_.limits.header_timeout);
        }
        if (event == RequestParser::Event::error) refuse(parser_.status(), parser_.message());
        if (event == RequestParser::Event::headers) on_headers();
        if (event == RequestParser::Event::complete) on_complete();
    }
    advancing_ = false;
    if (state_ != State::answering) resume_reading();
}

void Connection::on_headers() {
    state_ = State::body;
    HttpRequest& request = parser_.request();
    request.request_id = request_id();
    keep_alive_ = parser_.keep_alive() && !context_.draining;
    if (auto early = context_.handler.on_headers(request)) return answer_early(std::move(*early));
    if (!parser_.has_body()) return on_complete();
    if (parser_.limit_body(context_.limits.max_body, true) == RequestParser::Event::error)
        return refuse(parser_.status(), parser_.message());
    if (parser_.expects_continue() && pending_.empty()) {
        out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        mark_dirty();
    }
    set_timer(context_.limits.body_timeout);
}

std::string Connection::request_id() {
    const std::string_view given = parser_.request().header("x-request-id");
    if (is_sane_request_id(given)) return std::string(given);
    static std::mt19937_64 random(std::random_device{}());
    return fmt::format("{:016x}", random());
}

void Connection::on_complete() {
    state_ = State::answering;
    uv_timer_stop(&timer_);
    exchange_ = std::make_shared<Exchange>(weak_from_this(), std::move(parser_.request()));
    context_.handler.on_request(exchange_);
}

void Connection::answer_early(HttpResponse response) {
    // The rest of a refused body would have to be read to keep the connection: close it instead.
    if (parser_.has_body()) keep_alive_ = false;
    state_ = State::answering;
    uv_timer_stop(&timer_);
    exchange_ = std::make_shared<Exchange>(weak_from_this(), std::move(parser_.request()));
    const ExchangePtr exchange = exchange_;
    exchange->respond(std::move(response));
}

void Connection::refuse(int status, const std::string& message) {
    HttpRequest& request = parser_.request();
    if (request.request_id.empty()) request.request_id = request_id();
    keep_alive_ = false;
    state_ = State::answering;
    pending_.clear();
    exchange_ = std::make_shared<Exchange>(weak_from_this(), std::move(request));
    const ExchangePtr exchange = exchange_;
    exchange->respond(context_.handler.render_error(status, message));
}

void Connection::send_head(Exchange& exchange, int status, const Headers& headers, bool chunked,
                           ptrdiff_t content_length) {
    exchange.started_ = true;
    answered_status_ = status;
    std::string& head = out_.tail();
    auto out = std::back_inserter(head);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n", status,
                   http_status_reason(status), http_date(), exchange.request().request_id);
    Headers added;
    if (context_.handler.add_headers) context_.handler.add_headers(exchange.request(), added);
    for (auto* list : {&headers, static_cast<const Headers*>(&added)})
        for (auto& [name, value] : *list) fmt::format_to(out, "{}: {}\r\n", name, value);
    if (chunked) head += "Transfer-Encoding: chunked\r\n";
    if (content_length >= 0) fmt::format_to(out, "Content-Length: {}\r\n", content_length);
    if (!keep_alive_)
        head += "Connection: close\r\n";
    else if (parser_.http_1_0())
        head += "Connection: keep-alive\r\n";
    head += "\r\n";
    mark_dirty();
}

void Connection::respond(Exchange& exchange, HttpResponse response) {
    if (exchange.started_) return;
    if (context_.draining) keep_alive_ = false;
    send_head(exchange, response.status, response.headers, false, ptrdiff_t(response.body.size()));
    if (!exchange.request().head) out_.append(std::move(response.body));
    complete(exchange);
}

void Connection::start_stream(Exchange& exchange, int status, const Headers& headers) {
    if (exchange.started_) return;
    chunked_ = !parser_.http_1_0();
    if (!chunked_ || context_.draining) keep_alive_ = false;
    send_head(exchange, status, headers, chunked_, -1);
}

void Connection::write_chunk(std::string_view data) {
    if (data.empty()) return;
    if (chunked_) {
        std::string& out = out_.tail();
        fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
        out.append(data).append("\r\n");
    } else {
        out_.append(data);
    }
    mark_dirty();
    update_congestion();
}

void Connection::finish_stream(Exchange& exchange) {
    if (chunked_) out_.append("0\r\n\r\n");
    mark_dirty();
    complete(exchange);
}

void Connection::complete(Exchange& exchange) {
    exchange.complete_ = true;
    context_.handler.on_answered(exchange.request(), answered_status_);
    answered_status_ = 0;
    exchange_.reset();
    if (!keep_alive_) {
        close_after_flush_ = true;
        return;
    }
    state_ = State::idle;
    parser_.reset();
    set_timer(context_.limits.keepalive_timeout);
    if (!pending_.empty()) advance();
}

void Connection::mark_dirty() {
    if (dirty_ || state_ == State::closed) return;
    dirty_ = true;
    context_.dirty.push_back(shared_from_this());
}

void Connection::flush() {
    dirty_ = false;
    if (state_ == State::closed) return;
    const int rc = out_.flush(stream(), [](uv_stream_t* stream, int status) {
        static_cast<Connection*>(stream->data)->on_written(status);
    });
    if (rc != 0) return client_gone();
    update_congestion();
    if (state_ == State::closed) return;
    if (n_unsent() > 0) return watch_write_queue();
    if (close_after_flush_) linger();
}

/// Says when the client has caught up: to whoever waits to write more, and to its next request.
void Connection::update_congestion() {
    const size_t n = n_unsent(), cap = context_.limits.max_write_queue;
    const bool was_congested = std::exchange(congested_, n > (congested_ ? cap / 2 : cap));
    if (!was_congested || congested_ || state_ == State::closed) return;
    if (const ExchangePtr exchange = exchange_; exchange && exchange->drained_) {
        const auto drained = exchange->drained_;
        drained();
    }
    if (state_ != State::answering && state_ != State::closed) advance();
}

void Connection::on_written(int status) {
    if (state_ == State::closed) return;
    if (status < 0) return client_gone();
    update_congestion();
    if (state_ == State::closed || n_unsent() > 0) return;
    watched_queue_ = 0;
    uv_timer_stop(&write_timer_);
    if (close_after_flush_) linger();
}

/// A reader that leaves more than the cap unread gets write_timeout to make progress.
void Connection::watch_write_queue() {
    const size_t n_queued = uv_stream_get_write_queue_size(stream());
    if (watched_queue_ > 0) return;
    if (n_queued <= context_.limits.max_write_queue && !close_after_flush_) return;
    watched_queue_ = n_queued;
    uv_timer_start(
        &write_timer_,
        [](uv_timer_t* timer) {
            auto* self = static_cast<Connection*>(timer->data);
            const size_t now = uv_stream_get_write_queue_size(self->stream());
            const size_t before = std::exchange(self->watched_queue_, 0);
            if (now >= before) return self->client_gone();
            self->watch_write_queue();
        },
        uint64_t(context_.limits.write_timeout * 1000), 0);
}

/// The client is not there any more, or as good as: whoever works for it is told.
void Connection::client_gone() {
    const ExchangePtr exchange = exchange_;
    close();
    if (!exchange || exchange->complete_) return;
    exchange->complete_ = true;
    if (auto gone = std::exchange(exchange->gone_, {})) gone();
}

/// Everything is sent: say so, and let the client read it before the connection goes away. Closing
/// with unread input would reset it and could destroy the answer on its way.
void Connection::linger() {
    if (state_ == State::closed || state_ == State::lingering) return;
    const bool aborted = exchange_ != nullptr;
    if (aborted || end_of_input_) return close();
    state_ = State::lingering;
    pending_.clear();
    auto* request = new uv_shutdown_t;
    if (uv_shutdown(request, stream(), [](uv_shutdown_t* done, int) { delete done; }) != 0) {
        delete request;
        return close();
    }
    set_timer(kLingerSeconds);
    resume_reading();
}

void Connection::close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    if (exchange_) {
        const int status = answered_status_ ? answered_status_ : kClientClosedRequest;
        context_.handler.on_answered(exchange_->request(), status);
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
    if (state_ == State::idle && n_unsent() == 0) close();
}

}  // namespace qwend
