#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "net/http.h"

namespace qwend {

/// What an answer's head says besides its own headers.
struct ResponseHead {
    int status = 200;
    std::string_view request_id;
    bool chunked = false;
    ptrdiff_t content_length = -1;  // none
    std::string_view connection;    // "close", "keep-alive", or nothing
};

/// Appends "HTTP/1.1 200 OK …" up to the empty line.
void write_response_head(std::string& out, const ResponseHead& head,
                         std::initializer_list<const Headers*> headers);

/// The client's X-Request-Id if it is fit for a log, else one of our own.
std::string choose_request_id(std::string_view given);

}  // namespace qwend
