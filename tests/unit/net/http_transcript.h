#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "net/parser.h"

namespace qwend {

/// What a parser makes of an input that comes in pieces of these sizes, in words: its requests, and
/// at last "! 400 message" for an error or "more" if it waits for the rest.
inline std::string transcript(std::string_view input, const std::vector<size_t>& pieces) {
    HttpLimits limits;
    RequestParser parser(limits);
    std::string out;
    bool waits = false;
    for (size_t piece = 0; !input.empty(); piece++) {
        std::string_view data = input.substr(0, pieces[piece % pieces.size()]);
        input.remove_prefix(data.size());
        while (!data.empty()) {
            auto [consumed, event] = parser.feed(data);
            data.remove_prefix(consumed);
            if (event == RequestParser::Event::headers && parser.has_body())
                event = parser.limit_body(limits.max_body, true);
            if (event == RequestParser::Event::error)
                return out + "! " + std::to_string(parser.status()) + " " + parser.message();
            waits = event == RequestParser::Event::need_more;
            if (waits) continue;
            const HttpRequest& request = parser.request();
            out.append(request.method).append(" ").append(request.target);
            out.append(" host=").append(request.header("host"));
            out.append(" [").append(request.body).append("] ");
            parser.reset();
        }
    }
    return waits ? out + "more" : out;
}

}  // namespace qwend
