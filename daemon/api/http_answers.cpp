#include "daemon/api/http_answers.h"

namespace qwend {

HttpResponse json_response(std::string body, int status) {
    return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

HttpResponse error_response(const ApiError& error, RenderError render) {
    HttpResponse response = json_response(render(error), error.status);
    if (error.status == 429 || error.status == 503)
        response.headers.emplace_back("Retry-After", "1");
    // A client that repeats what will never be offered repeats it in vain.
    if (error.status == 501 || error.status == 505)
        response.headers.emplace_back("X-Should-Retry", "false");
    if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
}

void respond_error(Exchange& exchange, const ApiError& error) {
    const Route* route = route_of(exchange.request());
    if (!route) return;
    ApiError answered = error;
    answered.request_id = exchange.request().request_id;
    exchange.respond(error_response(answered, route->render_error));
}

}  // namespace qwend
