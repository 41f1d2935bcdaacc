#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/api/availability.h"
#include "daemon/api/route.h"
#include "net/http.h"

namespace qwend {

/// The answer to a request that the process asks itself, as a whole. Loop thread.
class CollectedAnswer : public AnswerSink {
  public:
    using Done = std::function<void(HttpResponse)>;
    /// As HttpHandler::on_answered.
    using Told = std::function<void(const HttpRequest&, int status)>;
    CollectedAnswer(Done done, Told told) : done_(std::move(done)), told_(std::move(told)) {}

    /// Nobody wants it any more: whoever makes it is told, and `done` is not called.
    void drop();

    bool is_open() const override { return bool(done_); }
    bool congested() const override { return false; }
    void respond(Exchange& exchange, HttpResponse response) override;
    void start_stream(Exchange& exchange, int status, const Headers& headers) override;
    void write(std::string_view data) override;
    void finish(Exchange& exchange) override;
    void abort(Exchange& exchange) override;

    static constexpr size_t kMaxBytes = 64u << 20;  // of an answer; one with more ends as a fault

  private:
    friend class InnerRequests;
    void complete(Exchange& exchange, HttpResponse response);

    Done done_;
    Told told_;
    std::weak_ptr<Exchange> exchange_;
    HttpResponse collected_;
};
using CollectedAnswerPtr = std::shared_ptr<CollectedAnswer>;

/// Lets the process ask its own routes, as a client that does not wait: in the background.
class InnerRequests {
  public:
    /// The references outlive this.
    InnerRequests(const RouteTable& routes, const Availability& availability,
                  CollectedAnswer::Told told)
        : routes_(routes), availability_(availability), told_(std::move(told)) {}

    /// POSTs JSON. `done` has the answer, later or at once; it gets none once the answer is
    /// dropped or nobody holds it.
    CollectedAnswerPtr post(std::string_view path, std::string body, std::string request_id,
                            CollectedAnswer::Done done) const;

  private:
    const RouteTable& routes_;
    const Availability& availability_;
    CollectedAnswer::Told told_;
};

}  // namespace qwend
