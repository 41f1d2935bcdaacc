#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case on input

/// One parsed request. Header names are lower-cased; `body` is complete, de-chunked.
struct HttpRequest {
    std::string method;  // "GET"
    std::string target;  // as sent: "/v1/models?x=1"
    std::string path;    // up to '?', not percent-decoded
    std::string query;   // after '?'
    Headers headers;
    std::string body;
    std::string request_id;  // client's X-Request-Id if sane, else made here
    bool head = false;       // method is HEAD: the answer's body is not sent

    std::string_view header(std::string_view lower_case_name) const;  // empty if absent
};

/// A complete answer. Content-Length, Date, X-Request-Id and Connection are added by net/.
struct HttpResponse {
    int status = 200;
    Headers headers;  // Content-Type and whatever else
    std::string body;
};

std::string_view http_status_reason(int status);

inline constexpr int kClientClosedRequest = 499;

class Connection;

/// One request being answered. Held by the handler for as long as it needs (an answer may come
/// seconds later); loop thread only. After the client has gone every call is a harmless no-op.
class Exchange {
  public:
    Exchange(std::weak_ptr<Connection> connection, HttpRequest request)
        : connection_(std::move(connection)), request_(std::move(request)) {}

    const HttpRequest& request() const { return request_; }
    /// The body, for whoever is done with the rest: it need not live until the answer is sent.
    std::string take_body() { return std::exchange(request_.body, {}); }

    void respond(HttpResponse response);

    /// Streaming: headers, then any number of writes, then finish() (the terminating chunk), or
    /// abort(): the connection ends without it, so that truncation is visible to the client. What
    /// is written in one turn of the loop leaves in one system call.
    void start_stream(int status, Headers headers);
    void write(std::string_view data);
    void finish();
    void abort();

    bool started() const { return started_; }  // a status line has been sent
    bool client_gone() const;                  // the connection is closed or closing
    /// Called once if the client goes before the answer is complete (also when a slow reader is
    /// cut off). Not called after respond(), finish() or abort().
    void on_client_gone(std::function<void()> callback) { gone_ = std::move(callback); }

    /// True from when the client has left more than HttpLimits::max_write_queue bytes unread
    /// (written here or kept by libuv, the kernel's buffers aside) until it is half of that.
    /// Whoever makes the bytes should pause: what is written nevertheless is kept, without a bound.
    bool congested() const;
    /// Called each time the connection ceases to be congested, while this exchange is not complete.
    void on_drained(std::function<void()> callback) { drained_ = std::move(callback); }

  private:
    friend class Connection;
    std::shared_ptr<Connection> open_connection();

    std::weak_ptr<Connection> connection_;
    HttpRequest request_;
    std::function<void()> gone_, drained_;
    bool started_ = false, complete_ = false;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// What net/ asks of the layer above. All are called on the loop thread and must not throw.
struct HttpHandler {
    /// Headers are complete, the body is not read. An answer here (401, 404, 405, 413, 415, 503 …)
    /// is sent at once, no "100 Continue" is, and an unread body is discarded with the connection.
    std::function<std::optional<HttpResponse>(const HttpRequest&)> on_headers;
    std::function<void(ExchangePtr)> on_request;
    /// Renders net/'s own errors (400, 408, 413, 414, 431, 501, 505), so that they are JSON too.
    std::function<HttpResponse(int status, std::string_view message)> render_error;
    /// May add headers to any answer, its errors included. May be empty.
    std::function<void(const HttpRequest&, Headers&)> add_headers;
    /// Every answered request, for logs and metrics: `request` is partly filled if it never parsed.
    /// A client that went before any answer counts as 499, as in nginx.
    std::function<void(const HttpRequest& request, int status)> on_answered;
};

struct HttpLimits {
    size_t max_target = 8 << 10;         // bytes; 414
    size_t max_header_bytes = 32 << 10;  // 431
    int max_header_fields = 100;         // 431
    size_t max_body = 8u << 20;          // 413
    int max_connections = 1024;
    size_t max_write_queue = 256 << 10;  // bytes a slow reader may leave unread
    double header_timeout = 10, body_timeout = 30, keepalive_timeout = 75, write_timeout = 10;  // s
};

}  // namespace qwend
