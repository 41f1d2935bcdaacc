#include "net/response_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>

namespace qwend {

namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second.
const std::string& http_date() {
    static std::string text;
    static std::time_t made = 0;
    if (const std::time_t now = std::time(nullptr); now != made) {
        made = now;
        std::tm utc;
        gmtime_r(&now, &utc);
        char buffer[64];
        text.assign(buffer,
                    std::strftime(buffer, sizeof buffer, "%a, %d %b %Y %H:%M:%S GMT", &utc));
    }
    return text;
}

bool is_sane_request_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 &&
           std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

std::string choose_request_id(std::string_view given) {
    if (is_sane_request_id(given)) return std::string(given);
    static std::mt19937_64 random(std::random_device{}());
    return fmt::format("{:016x}", random());
}

void write_response_head(std::string& out, const ResponseHead& head,
                         std::initializer_list<const Headers*> headers) {
    auto end = std::back_inserter(out);
    fmt::format_to(end, "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n", head.status,
                   http_status_reason(head.status), http_date(), head.request_id);
    for (const Headers* list : headers)
        for (auto& [name, value] : *list) fmt::format_to(end, "{}: {}\r\n", name, value);
    if (head.chunked) out += "Transfer-Encoding: chunked\r\n";
    if (head.content_length >= 0)
        fmt::format_to(end, "Content-Length: {}\r\n", head.content_length);
    if (!head.connection.empty()) fmt::format_to(end, "Connection: {}\r\n", head.connection);
    out += "\r\n";
}

}  // namespace qwend
