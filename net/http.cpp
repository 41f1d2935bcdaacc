#include "net/http.h"

#include <utility>

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
        case 304:
            return "Not Modified";
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

std::shared_ptr<AnswerSink> Exchange::open_sink() const {
    auto sink = sink_.lock();
    return sink && !complete_ && sink->is_open() ? sink : nullptr;
}

bool Exchange::client_gone() const {
    const auto sink = sink_.lock();
    return !sink || !sink->is_open();
}

bool Exchange::congested() const {
    const auto sink = sink_.lock();
    return sink && sink->congested();
}

void Exchange::respond(HttpResponse response) {
    if (const auto sink = open_sink()) sink->respond(*this, std::move(response));
}

void Exchange::start_stream(int status, Headers headers) {
    if (const auto sink = open_sink()) sink->start_stream(*this, status, headers);
}

void Exchange::write(std::string_view data) {
    if (const auto sink = open_sink()) sink->write(data);
}

void Exchange::finish() {
    if (const auto sink = open_sink()) sink->finish(*this);
}

void Exchange::abort() {
    if (const auto sink = open_sink()) sink->abort(*this);
}

void Exchange::tell_gone() {
    complete_ = true;
    if (const auto gone = std::exchange(gone_, {})) gone();
}

void Exchange::tell_drained() {
    if (const auto drained = drained_) drained();
}

}  // namespace qwend
