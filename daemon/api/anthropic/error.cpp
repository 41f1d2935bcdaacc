#include "daemon/api/anthropic/error.h"

#include "daemon/api/json_writer.h"

namespace qwend {

namespace {

/// A status has one type. Source: Anthropic's API reference, "Errors".
const char* error_type(int status) {
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 404:
            return "not_found_error";
        case 413:
            return "request_too_large";
        case 429:
            return "rate_limit_error";
        case 503:
            return "overloaded_error";
        case 504:
            return "timeout_error";
        default:
            return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

}  // namespace

std::string render_anthropic_error(const ApiError& error) {
    JsonWriter w;
    w.begin_object().key("type").string("error");
    w.key("error").begin_object().key("type").string(error_type(error.status));
    w.key("message").string(error.message).end_object();
    if (!error.request_id.empty()) w.key("request_id").string(error.request_id);
    w.end_object();
    return w.take();
}

}  // namespace qwend
