#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "net/body_share.h"
#include "net/guard.h"
#include "net/http.h"
#include "net/output.h"
#include "net/pace.h"
#include "net/parser.h"

namespace qwend {

class Connection;

/// What the connections of one server share.
struct ConnectionContext {
    ConnectionContext(uv_loop_t* l, const HttpLimits& limit, const HttpHandler& h)
        : loop(l), limits(limit), handler(h) {}

    uv_loop_t* loop;
    const HttpLimits& limits;
    const HttpHandler& handler;
    /// Connections with something to send; flushed once per turn of the loop.
    std::vector<std::shared_ptr<Connection>> dirty;
    /// Asks for Connection::resume() in the next turn.
    std::function<void(std::shared_ptr<Connection>)> resume_later;
    std::function<void(Connection*)> on_closed;
    std::shared_ptr<size_t> body_bytes = std::make_shared<size_t>(0);  // of all requests
    uint64_t n_turns = 0;                                              // of the loop
    size_t n_unsent = 0;                                               // bytes, of all connections
    int n_open = 0, n_reserved = 0;  // connections that are not closed; those beyond the table
    bool draining = false;           // answers say "Connection: close"
};

/// One client: reads requests, hands each to the handler, sends its answer, and only then looks at
/// the next (pipelined ones wait, bounded). Owned by the server until libuv has closed it.
class Connection : public AnswerSink, public std::enable_shared_from_this<Connection> {
  public:
    /// `reserved`: beyond the table, for a light request only.
    Connection(ConnectionContext& context, bool is_pipe, bool reserved);

    uv_stream_t* stream() { return &handle_.stream; }
    void start();       // once made: it keeps itself until closed
    void flush();       // sends what was written this turn
    void resume();      // goes on with the requests that were read
    void close();       // at once; the client of an unfinished answer is told by the broken stream
    void cut();         // at once; whoever works for the client is told
    void close_idle();  // now if between requests, else when the answer is done and sent
    void close_half_head();  // if only a part of a request's headers has come
    bool is_open() const override { return state_ != State::closed; }
    bool reserved() const { return reserved_; }
    bool congested() const override { return congested_; }  // the client reads too slowly
    double slow_since() const;  // when the reader's pace began to be watched; -1: it is not
    /// An answer is being made, or not all of it has been sent.
    bool is_sending() const;
    /// Since when nothing is to be done for the client, in steady_seconds(); -1: there is.
    double idle_since() const;

  private:
    enum class State {
        idle,       // between requests
        headers,    // part of a request has come
        body,       // its headers are complete
        answering,  // the handler has it
        lingering,  // everything is sent; waiting for the client to close
        closed,
    };

    template <class Body>
    void guard(const char* where, Body&& body);
    void on_exception();
    void abandon();

    void resume_reading();
    void set_timer(double seconds);
    void on_timer();
    void on_read(ssize_t n_bytes);
    void on_end_of_input(ssize_t error);
    void consume(size_t n_bytes);
    void begin_turn(uint64_t turn);
    bool had_its_turn() const;
    void advance();
    bool parse_some();
    void on_headers();
    void on_complete();
    void refuse(int status, const std::string& message);
    void answer_early(HttpResponse response);
    void make_exchange();

    void send_head(Exchange& exchange, int status, const Headers& headers, bool chunked,
                   ptrdiff_t content_length);
    void respond(Exchange& exchange, HttpResponse response) override;
    void start_stream(Exchange& exchange, int status, const Headers& headers) override;
    void write(std::string_view data) override;
    void finish(Exchange& exchange) override;
    void abort(Exchange& exchange) override;
    void complete(Exchange& exchange);
    void tell_answered(const HttpRequest& request, int status);

    void mark_dirty();
    size_t n_unsent() const { return out_.n_unsent(&handle_.stream); }
    void update_congestion();
    void on_written(int status);
    void on_sent();
    void watch_reader();
    void on_write_timer();
    void client_gone();
    void tell_gone(Exchange& exchange);
    void close_when_sent();
    void linger();
    void linger_on();

    ConnectionContext& context_;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } handle_;
    uv_timer_t timer_, write_timer_;
    int n_open_handles_ = 0;
    std::shared_ptr<Connection> self_;  // held until every handle is closed
    State state_ = State::idle;
    RequestParser parser_;
    std::string pending_;  // read; parsed up to n_parsed_
    size_t n_parsed_ = 0;
    int n_requests_now_ = 0;  // in its share of this turn of the loop
    uint64_t turn_ = 0;       // whose share it has begun
    double turn_began_ = 0;   // when it did
    std::unique_ptr<BodyShare> body_share_;
    Pace body_pace_, write_pace_;
    Output out_;
    size_t n_counted_ = 0;  // of ConnectionContext::n_unsent
    ExchangePtr exchange_;
    int answered_status_ = 0;
    const bool reserved_;
    bool keep_alive_ = true, chunked_ = false, dirty_ = false, reading_ = false;
    bool advancing_ = false, resuming_ = false, end_of_input_ = false, close_after_flush_ = false;
    bool congested_ = false, watching_ = false;  // the reader's pace
    bool late_ = false;                          // the timer has run out once
    bool has_answered_ = false;
    double idle_since_ = 0, linger_until_ = 0;
};

/// Everything libuv calls goes through here: what is thrown costs this connection at most.
template <class Body>
void Connection::guard(const char* where, Body&& body) {
    const auto self = shared_from_this();
    const Report& report = context_.handler.report;
    if (guarded(report, where, body)) return;
    if (guarded(report, "answering an exception", [this] { on_exception(); })) return;
    if (!guarded(report, "leaving an answer", [this] { abandon(); })) close();
}

}  // namespace qwend
