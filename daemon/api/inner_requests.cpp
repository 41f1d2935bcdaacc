#include "daemon/api/inner_requests.h"

#include <exception>
#include <utility>

#include "daemon/api/http_answers.h"
#include "daemon/log.h"
#include "net/clock.h"

namespace qwend {

void CollectedAnswer::drop() {
    if (!std::exchange(done_, {})) return;
    const ExchangePtr exchange = exchange_.lock();
    if (!exchange) return;
    exchange->tell_gone();
    told_(exchange->request(), kClientClosedRequest);
}

void CollectedAnswer::complete(Exchange& exchange, HttpResponse response) {
    exchange.set_complete();
    const Done done = std::exchange(done_, {});
    told_(exchange.request(), response.status);
    done(std::move(response));
}

void CollectedAnswer::respond(Exchange& exchange, HttpResponse response) {
    if (exchange.started()) return;
    exchange.set_started();
    complete(exchange, std::move(response));
}

void CollectedAnswer::start_stream(Exchange& exchange, int status, const Headers& headers) {
    if (exchange.started()) return;
    exchange.set_started();
    collected_.status = status;
    collected_.headers = headers;
}

void CollectedAnswer::write(std::string_view data) {
    if (collected_.body.size() + data.size() <= kMaxBytes) {
        collected_.body += data;
        return;
    }
    const ExchangePtr exchange = exchange_.lock();
    const Done done = std::exchange(done_, {});
    exchange->tell_gone();
    told_(exchange->request(), 500);
    done(error_response({500, "server_error", "answer_too_large", "",
                         "the answer is too large to be collected; ask for less at once"},
                        route_of(exchange->request())->render_error));
}

void CollectedAnswer::finish(Exchange& exchange) {
    complete(exchange, std::move(collected_));
}

void CollectedAnswer::abort(Exchange& exchange) {
    complete(exchange, error_response({500, "server_error", "", "", "the answer broke off"},
                                      route_of(exchange.request())->render_error));
}

CollectedAnswerPtr InnerRequests::post(std::string_view path, std::string body,
                                       std::string request_id, CollectedAnswer::Done done) const {
    HttpRequest request;
    request.method = "POST";
    request.target = request.path = path;
    request.headers = {{"content-type", "application/json"}};
    request.body = std::move(body);
    request.request_id = std::move(request_id);
    request.arrived = steady_seconds();
    const Route* const route = routes_.find(request).route;
    request.route = route;
    const auto answer = std::make_shared<CollectedAnswer>(std::move(done), told_);
    const auto exchange =
        std::make_shared<Exchange>(answer, std::move(request), Urgency::background);
    answer->exchange_ = exchange;
    if (!route) {
        exchange->respond({404, {}, {}});
        return answer;
    }
    try {
        if (const auto error = route->is(kGenerates) ? availability_.why_not() : std::nullopt)
            respond_error(*exchange, *error);
        else
            route->handle(exchange);
    } catch (const std::exception& error) {
        log_error("{}: {}", exchange->request().request_id, error.what());
        respond_error(*exchange, {500, "server_error", "", "", "internal error"});
    }
    return answer;
}

}  // namespace qwend
