#include "daemon/api/responses.h"

namespace qwend {

HttpResponse json_response(std::string body, int status) {
    return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

HttpResponse error_response(const ApiError& error) {
    HttpResponse response = json_response(render_error(error), error.status);
    if (error.status == 429 || error.status == 503)
        response.headers.emplace_back("Retry-After", "1");
    if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
}

}  // namespace qwend
