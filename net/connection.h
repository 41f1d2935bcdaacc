#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/output.h"
#include "net/parser.h"

namespace qwend {

/// What the connections of one server share.
struct ConnectionContext {
    ConnectionContext(uv_loop_t* l, const HttpLimits& limit, const HttpHandler& h)
        : loop(l), limits(limit), handler(h) {}

    uv_loop_t* loop;
    const HttpLimits& limits;
    const HttpHandler& handler;
    /// Connections with something to send; flushed once per turn of the loop.
    std::vector<std::shared_ptr<Connection>> dirty;
    std::function<void(Connection*)> on_closed;
    bool draining = false;  // answers say "Connection: close"
};

/// One client: reads requests, hands each to the handler, sends its answer, and only then looks at
/// the next (pipelined ones wait, bounded). Owned by the server until libuv has closed it.
class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(ConnectionContext& context, bool is_pipe);

    uv_stream_t* stream() { return &handle_.stream; }
    void start();       // once made: it keeps itself until closed
    void flush();       // sends what was written this turn
    void close();       // at once; the client of an unfinished answer is told by the broken stream
    void close_idle();  // now if between requests, else when the answer is done
    bool closing() const { return state_ == State::closed; }
    bool congested() const { return congested_; }  // the client reads too slowly

  private:
    friend class Exchange;
    enum class State {
        idle,       // between requests
        headers,    // part of a request has come
        body,       // its headers are complete
        answering,  // the handler has it
        lingering,  // everything is sent; waiting for the client to close
        closed,
    };

    void resume_reading();
    void set_timer(double seconds);
    void on_timer();
    void on_read(ssize_t n_bytes);
    void advance();
    void on_headers();
    void on_complete();
    void refuse(int status, const std::string& message);
    void answer_early(HttpResponse response);
    std::string request_id();

    void send_head(Exchange& exchange, int status, const Headers& headers, bool chunked,
                   ptrdiff_t content_length);
    void respond(Exchange& exchange, HttpResponse response);
    void start_stream(Exchange& exchange, int status, const Headers& headers);
    void write_chunk(std::string_view data);
    void finish_stream(Exchange& exchange);
    void complete(Exchange& exchange);

    void mark_dirty();
    size_t n_unsent() const { return out_.n_unsent(&handle_.stream); }
    void update_congestion();
    void on_written(int status);
    void watch_write_queue();
    void client_gone();
    void linger();

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
    std::string pending_;  // read but not yet parsed
    Output out_;
    ExchangePtr exchange_;
    int answered_status_ = 0;
    bool keep_alive_ = true, chunked_ = false, dirty_ = false, reading_ = false;
    bool advancing_ = false, end_of_input_ = false, close_after_flush_ = false;
    bool congested_ = false;
    size_t watched_queue_ = 0;  // bytes unsent when the write timer was started; 0: not running
};

}  // namespace qwend
