#include "daemon/api/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace qwend {

namespace {

// kPageParts, the same as kPageGzip, kPageTag, and kPagePolicy: it allows this page's script and
// style alone.
#include "page.inc"

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

/// Whether a member of the list, which has commas between them, is so.
bool any_member(std::string_view list, auto&& is_so) {
    for (size_t at = 0; at < list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        if (is_so(trim(list.substr(at, end - at)))) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

bool names_entity_tag(std::string_view if_none_match, std::string_view tag) {
    return any_member(if_none_match, [&](std::string_view named) {
        if (named.starts_with("W/")) named.remove_prefix(2);  // a proxy that compresses adds it
        return named == tag || named == "*";
    });
}

bool accepts_gzip(std::string_view accept_encoding) {
    return any_member(accept_encoding, [](std::string_view coding) {
        const size_t end = std::min(coding.find(';'), coding.size());
        const std::string_view weight = trim(coding.substr(std::min(end + 1, coding.size())));
        return trim(coding.substr(0, end)) == "gzip" &&
               (!weight.starts_with("q=0") || weight.find_first_of("123456789") != weight.npos);
    });
}

HttpResponse page_response(const HttpRequest& request) {
    const bool gzip = accepts_gzip(request.header("accept-encoding"));
    const std::string tag = fmt::format("\"{}{}\"", kPageTag, gzip ? "-gzip" : "");
    Headers headers = {{"ETag", tag},
                       {"Cache-Control", "no-cache"},
                       {"Vary", "Accept, Accept-Encoding"},
                       {"Content-Security-Policy", std::string(kPagePolicy)}};
    if (names_entity_tag(request.header("if-none-match"), tag))
        return {304, std::move(headers), {}};
    headers.insert(headers.end(), {{"Content-Type", "text/html; charset=utf-8"},
                                   {"X-Content-Type-Options", "nosniff"},
                                   {"Referrer-Policy", "no-referrer"},
                                   {"Cross-Origin-Opener-Policy", "same-origin"}});
    if (gzip) headers.emplace_back("Content-Encoding", "gzip");
    return {200, std::move(headers),
            gzip ? std::string(std::begin(kPageGzip), std::end(kPageGzip))
                 : std::string(kPageParts[0]).append(kPageParts[1])};
}

}  // namespace qwend
