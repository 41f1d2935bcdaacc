#include "daemon/api/http_answers.h"

namespace qwend {

HttpResponse json_response(std::string body, int status) {
    return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

HttpResponse error_response(const ApiError& error, RenderError render) {
    HttpResponse response = json_response(render(error), error.status);
    if (error.status == 429 || error.status == 503)
        response.headers.emplace_back("Retry-After", "1");
    if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
}

void respond_error(Exchange& exchange, const ApiError& error) {
    if (const Route* route = route_of(exchange.request()))
        exchange.respond(error_response(error, route->render_error));
}

}  // namespace qwend
