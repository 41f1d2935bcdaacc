#include "net/http.h"

#include "net/connection.h"

namespace qwend {

std::string_view HttpRequest::header(std::string_view lower_case_name) const {
    for (auto& [name, value] : headers)
        if (name == lower_case_name) return value;
    return {};
}

std::string_view http_status_reason(int status) {
    switch (status) {
        case 100:
            return "Continue";
        case 200:
            return "OK";
        case 204:
            return "No Content";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Unknown";
    }
}

std::shared_ptr<Connection> Exchange::open_connection() {
    auto connection = connection_.lock();
    return connection && !complete_ && !connection->closing() ? connection : nullptr;
}

bool Exchange::client_gone() const {
    auto connection = connection_.lock();
    return !connection || connection->closing();
}

bool Exchange::congested() const {
    auto connection = connection_.lock();
    return connection && connection->congested();
}

void Exchange::respond(HttpResponse response) {
    if (auto connection = open_connection()) connection->respond(*this, std::move(response));
}

void Exchange::start_stream(int status, Headers headers) {
    if (auto connection = open_connection()) connection->start_stream(*this, status, headers);
}

void Exchange::write(std::string_view data) {
    if (auto connection = open_connection()) connection->write_chunk(data);
}

void Exchange::finish() {
    if (auto connection = open_connection()) connection->finish_stream(*this);
}

void Exchange::abort() {
    auto connection = open_connection();
    if (!connection) return;
    complete_ = true;  // the handler's own doing: on_client_gone stays silent
    connection->close_after_flush_ = true;
    connection->mark_dirty();
}

}  // namespace qwend
