#pragma once

#include <llhttp.h>
#include <sys/socket.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/load/event.h"
#include "tests/bench/load/outcome.h"

namespace qwend::load {

/// What all clients of a server share.
struct Server {
    uv_loop_t* loop = nullptr;
    sockaddr_storage address{};
    std::vector<char> buffer = std::vector<char>(256 << 10);  // what was read, until it is handled
    bool keeps_ids = false, keeps_text = false;               // of answers, for the turn after them
};

/// One connection that is kept for the next request, of which there is one at a time. Light on
/// purpose: it looks at bytes and parses no JSON, so that the server is what is measured.
class Client {
  public:
    /// The outcome, and as much of the answer as the server's `keeps_` say. The client is free by
    /// then.
    using OnDone = std::function<void(Outcome, std::string answer)>;

    explicit Client(Server& server);
    ~Client() { disconnect(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// `request` is head and body; `due` is from when its latencies count.
    void send(std::string request, double due, OnDone on_done);

  private:
    struct Socket;

    static llhttp_settings_t parser_settings();
    void connect();
    void read();
    void write();
    void disconnect();
    void on_read(ssize_t n);
    void on_end(ssize_t error);
    void on_body(std::string_view bytes);
    void on_event(const Event& event, std::string_view json);
    void finish();
    void fail(std::string why);
    void report();

    Server& server_;
    Socket* socket_ = nullptr;  // deletes itself when libuv has let go of it
    bool is_reused_ = false;  // it has answered before, so that the server may just have closed it
    llhttp_t parser_{};
    EventSplitter splitter_;
    std::string request_, other_body_, answer_;
    bool is_busy_ = false, has_bytes_ = false, is_complete_ = false;
    double now_ = 0;          // when the bytes came that are being handled
    double output_seen_ = 0;  // when the last event with output came
    Outcome outcome_;
    OnDone on_done_;
};

/// Clients as many as are needed at once; the one that was used last is used first.
class ClientPool {
  public:
    explicit ClientPool(Server& server) : server_(server) {}

    void send(std::string request, double due, Client::OnDone on_done);

  private:
    Server& server_;
    std::vector<std::unique_ptr<Client>> all_;
    std::vector<Client*> free_;
};

}  // namespace qwend::load
