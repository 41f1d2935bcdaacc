#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/loop.h"

namespace qwend {

/// Accepts connections on any number of listeners and turns bytes into Exchanges.
class HttpServer {
  public:
    HttpServer(EventLoop& loop, HttpLimits limits, HttpHandler handler);
    ~HttpServer();

    /// "127.0.0.1:8000", "[::1]:0", "localhost:8000" or "unix:/path" (a stale socket file is
    /// replaced, a live one is an error; its mode is 0660). A name with several addresses is
    /// listened on at each. Returns an empty string, or what went wrong; `*in_use` says whether
    /// that is an address that somebody else still has, so that waiting may help.
    std::string listen(const std::string& address, bool* in_use = nullptr);
    std::string listen_fd(int fd);  // inherited, already listening: socket activation
    std::vector<std::string> bound_addresses() const;  // of the listeners, with the real ports

    void stop_accepting();  // closes the listeners; open connections go on
    /// Connections between requests are closed, others close when their answer is done and sent.
    void close_idle();
    /// Those of which only a part of a request's headers has come: they have no request yet.
    void close_half_heads();
    int n_connections() const;
    int n_sending() const;  // of those, with an answer that is not complete, or not yet sent
    void close_all();       // at once

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
