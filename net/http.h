#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/body_share.h"
#include "net/guard.h"

namespace qwend {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case on input

/// One parsed request. Header names are lower-cased; `body` is complete, de-chunked.
struct HttpRequest {
    std::string method;  // "GET"
    std::string target;  // in origin form: "/v1/models?x=1"; an absolute one's host is in headers
    std::string path;    // up to '?', not percent-decoded
    std::string query;   // after '?'
    Headers headers;
    std::string body;
    std::string request_id;       // client's X-Request-Id if sane, else made here
    bool head = false;            // method is HEAD: the answer's body is not sent
    double arrived = 0;           // in steady_seconds(), when its headers were complete; 0: never
    const void* route = nullptr;  // of its verdict; nullptr: its headers never came

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

class Exchange;

/// Where an answer goes: to a client's connection, or to whoever asks from within the process. Each
/// call is about the exchange that it now answers, and none comes after its last word.
class AnswerSink {
  public:
    virtual ~AnswerSink() = default;

    virtual bool is_open() const = 0;    // false: nobody wants the answer any more
    virtual bool congested() const = 0;  // as Exchange's
    virtual void respond(Exchange& exchange, HttpResponse response) = 0;
    virtual void start_stream(Exchange& exchange, int status, const Headers& headers) = 0;
    virtual void write(std::string_view data) = 0;
    virtual void finish(Exchange& exchange) = 0;
    virtual void abort(Exchange& exchange) = 0;
};

/// For whom an answer is made.
enum class Urgency {
    live,        // a client waits for it
    background,  // nobody does: it is made while there is no other work, and makes way at once
};

/// One request being answered. Held by the handler for as long as it needs (an answer may come
/// seconds later); loop thread only. After the client has gone every call is a harmless no-op.
class Exchange {
  public:
    Exchange(std::weak_ptr<AnswerSink> sink, HttpRequest request, Urgency urgency = Urgency::live)
        : sink_(std::move(sink)), request_(std::move(request)), urgency_(urgency) {}

    const HttpRequest& request() const { return request_; }
    bool in_background() const { return urgency_ == Urgency::background; }
    /// The body, for whoever is done with the rest: it need not live until the answer is sent, and
    /// counts no longer against HttpLimits::max_body_memory.
    std::string take_body() {
        body_share_.reset();
        return std::exchange(request_.body, {});
    }

    void respond(HttpResponse response);

    /// Streaming: headers, then any number of writes, then finish() (the terminating chunk), or
    /// abort(): the connection ends without it, so that truncation is visible to the client. What
    /// is written in one turn of the loop leaves in one system call.
    void start_stream(int status, Headers headers);
    void write(std::string_view data);
    void finish();
    void abort();

    bool started() const { return started_; }    // a status line has been sent
    bool complete() const { return complete_; }  // its last word is, or will never be
    bool client_gone() const;                    // the sink is closed
    /// Called once if the client goes before the answer is complete (also when a slow reader is
    /// cut off). Not called after respond(), finish() or abort().
    void on_client_gone(std::function<void()> callback) { gone_ = std::move(callback); }

    /// True from when the client has left more than HttpLimits::max_write_queue bytes unread
    /// (written here or kept by libuv, the kernel's buffers aside) until it is half of that.
    /// Whoever makes the bytes should pause: what is written nevertheless is kept, without a bound.
    bool congested() const;
    /// Called each time the connection ceases to be congested, while this exchange is not complete.
    void on_drained(std::function<void()> callback) { drained_ = std::move(callback); }

    // What only its sink says.
    void set_started() { started_ = true; }
    void set_complete() { complete_ = true; }
    /// Calls what on_client_gone() left, once. The answer is over.
    void tell_gone();
    void tell_drained();
    void keep(std::unique_ptr<BodyShare> share) { body_share_ = std::move(share); }

  private:
    std::shared_ptr<AnswerSink> open_sink() const;

    std::weak_ptr<AnswerSink> sink_;
    HttpRequest request_;
    Urgency urgency_;
    std::unique_ptr<BodyShare> body_share_;
    std::function<void()> gone_, drained_;
    bool started_ = false, complete_ = false;
};
using ExchangePtr = std::shared_ptr<Exchange>;

/// What becomes of a request, as far as its headers say.
struct HttpVerdict {
    /// Sent at once (401, 404, 405, 413, 415, 503 …): no "100 Continue" is, and the body is not
    /// read but discarded with the connection.
    std::optional<HttpResponse> answer;
    /// Bytes of body the request may bring; more is 413. 0: it needs none, and a small one is read
    /// but not kept.
    size_t max_body = 0;
    /// Quick to answer and wanted most when everything is full (health, metrics): answered on the
    /// reserved connections too.
    bool light = false;
    /// The handler's own: what it found out about the request, to be found in HttpRequest::route
    /// from then on. Outlives the request.
    const void* route = nullptr;
};

/// What net/ asks of the layer above. All are called on the loop thread. What they throw is
/// reported, and answered with 500 if that can still be done.
struct HttpHandler {
    /// Headers are complete, and no byte of the body is kept yet.
    std::function<HttpVerdict(const HttpRequest&)> on_headers;
    std::function<void(ExchangePtr)> on_request;
    /// Renders net/'s own errors (400, 408, 413, 414, 431, 500, 501, 503, 505), so that they are
    /// JSON too. `request` is partly filled if it never parsed.
    std::function<HttpResponse(const HttpRequest& request, int status, std::string_view message)>
        render_error;
    /// May add headers to any answer, its errors included. May be empty.
    std::function<void(const HttpRequest&, Headers&)> add_headers;
    /// Every answered request, for logs and metrics: `request` is partly filled if it never parsed.
    /// A client that went before any answer counts as 499, as in nginx.
    std::function<void(const HttpRequest& request, int status)> on_answered;
    /// What else went wrong: exceptions, connections that could not be accepted. May be empty.
    Report report;
};

/// Bounds in bytes and seconds. A client that exceeds one gets the status named, where it can.
struct HttpLimits {
    size_t max_target = 8 << 10;          // 414
    size_t max_header_bytes = 32 << 10;   // 431; of the headers, the trailers, chunk extensions
    int max_header_fields = 100;          // 431; of the headers, the trailers
    size_t max_body = 8u << 20;           // 413
    size_t max_body_memory = 256u << 20;  // 503; all bodies that are read or not yet taken
    int max_connections = 1024;
    /// Beside those, for requests whose verdict is `light`. Others are answered there with 503, and
    /// silent clients have a second: clients beyond all of them wait in the kernel's queue.
    int reserved_connections = 32;
    /// A slow reader may leave this much unread before its Exchange is congested.
    size_t max_write_queue = 256 << 10;
    /// All connections together; beyond that the reader that has been slow the longest is cut off.
    size_t max_write_memory = 256u << 20;
    double header_timeout = 10;     // 408; for all of the headers
    double body_timeout = 30;       // 408; without any byte, or beyond what min_body_rate allows
    double keepalive_timeout = 75;  // between requests
    /// For a reader that is congested, or whose answer is complete, without taking any byte, or
    /// beyond what min_write_rate allows: the connection is cut.
    double write_timeout = 10;
    double min_body_rate = 1024, min_write_rate = 1024;  // bytes a second, after the timeout
};

}  // namespace qwend
