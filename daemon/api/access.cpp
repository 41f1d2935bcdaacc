#include "daemon/api/access.h"

#include <arpa/inet.h>

#include <algorithm>

#include "daemon/keys.h"

namespace qwend {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = char(c | 0x20);
    return out;
}

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

/// Empty if there is none.
std::string_view bearer_token(const HttpRequest& request) {
    constexpr std::string_view kScheme = "bearer ";
    const std::string_view value = request.header("authorization");
    const bool bearer =
        value.size() > kScheme.size() && lower(value.substr(0, kScheme.size())) == kScheme;
    return bearer ? value.substr(kScheme.size()) : std::string_view();
}

/// A client may send both, one of them being for somebody else: its own account, or a proxy.
bool has_api_key(const HttpRequest& request, const std::vector<std::string>& keys) {
    return is_api_key(bearer_token(request), keys) || is_api_key(request.header("x-api-key"), keys);
}

bool lists_origin(const std::vector<std::string>& origins, std::string_view origin) {
    return std::any_of(origins.begin(), origins.end(),
                       [&](auto& o) { return o == "*" || o == origin; });
}

bool is_ipv4(const std::string& host) {
    in_addr address;
    return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

/// The address in "[…]".
bool parse_ipv6(const std::string& host, in6_addr& address) {
    if (host.size() < 4 || !host.starts_with('[') || !host.ends_with(']')) return false;
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
}

bool is_host_name(std::string_view host) {
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == '_';
    });
}

bool is_localhost_name(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);  // the root of all names, spelt out
    return host == "localhost" || (host.ends_with(".localhost") && !host.starts_with('.'));
}

struct Origin {
    std::string scheme;
    Authority authority;
};

/// SCHEME://HOST[:PORT] and nothing else; pages without an origin say "null". Source: RFC 6454.
std::optional<Origin> parse_origin(std::string_view text) {
    const size_t colon = text.find("://");
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string scheme = lower(text.substr(0, colon));
    if (scheme != "http" && scheme != "https") return std::nullopt;
    auto authority = parse_authority(text.substr(colon + 3));
    if (!authority) return std::nullopt;
    return Origin{scheme, *authority};
}

bool is_origin_of(const Origin& origin, Authority host) {
    const char* standard = origin.scheme == "https" ? "443" : "80";
    Authority from = origin.authority;
    if (from.port.empty()) from.port = standard;
    if (host.port.empty()) host.port = standard;
    return from == host;
}

/// A page of this machine's, or one that was served from where it now asks.
bool is_own_origin(std::string_view text, const std::optional<Authority>& host) {
    const auto origin = parse_origin(text);
    return origin && (is_loopback(origin->authority) || (host && is_origin_of(*origin, *host)));
}

/// A browser says that another site asks, and of what only a script can send it says nothing more.
bool is_silent_cross_site(const HttpRequest& request) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    return !reads && request.header("origin").empty() &&
           lower(request.header("sec-fetch-site")) == "cross-site";
}

/// Every address a proxy says it asks for is this machine. A client can make up such a header and
/// only shut itself out.
bool forwarded_from_here(std::string_view list) {
    for (size_t at = 0; at <= list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        const std::string address = lower(trim(list.substr(at, end - at)));
        const auto authority =
            parse_authority(address.find(':') != address.rfind(':') && !address.starts_with('[')
                                ? "[" + address + "]"
                                : address);
        if (!address.empty() && address != "unix:" && !(authority && is_loopback(*authority)))
            return false;
        at = end + 1;
    }
    return true;
}

ApiError forbidden(std::string code, std::string message) {
    return {403, "permission_error", std::move(code), "", std::move(message)};
}

/// Each header of the name: a second one must not hide behind a first.
bool every_header(const HttpRequest& request, std::string_view name, auto&& holds) {
    return std::all_of(request.headers.begin(), request.headers.end(),
                       [&](auto& header) { return header.first != name || holds(header.second); });
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
    Authority authority;
    size_t end = text.starts_with('[') ? text.find(']') : text.find(':');
    if (text.starts_with('[')) {
        if (end == std::string_view::npos) return std::nullopt;
        end++;
    }
    authority.host = lower(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
    if (!text.empty()) {
        constexpr size_t kMaxDigits = 5;
        authority.port = text.substr(1);
        if (text[0] != ':' || authority.port.size() > kMaxDigits ||
            !std::all_of(authority.port.begin(), authority.port.end(), is_digit))
            return std::nullopt;
    }
    in6_addr v6;
    if (!is_host_name(authority.host) && !parse_ipv6(authority.host, v6)) return std::nullopt;
    return authority;
}

bool is_local_or_literal(const Authority& authority) {
    in6_addr v6;
    return is_localhost_name(authority.host) || is_ipv4(authority.host) ||
           parse_ipv6(authority.host, v6);
}

bool is_loopback(const Authority& authority) {
    in6_addr v6;
    if (parse_ipv6(authority.host, v6)) {
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&v6) || mapped;
    }
    return is_localhost_name(authority.host) ||
           (is_ipv4(authority.host) && authority.host.starts_with("127."));
}

std::optional<ApiError> check_access(const AccessRules& rules, const HttpRequest& request) {
    if (!rules.api_keys.empty()) {
        if (has_api_key(request, rules.api_keys)) return std::nullopt;
        return ApiError{401, "authentication_error", "invalid_api_key", "",
                        "expected a valid key in \"Authorization: Bearer …\""};
    }
    if (!rules.check_host) return std::nullopt;
    const auto host = parse_authority(request.header("host"));
    const bool host_ok = every_header(request, "host", [](std::string_view value) {
        const auto authority = parse_authority(value);
        return value.empty() || (authority && is_local_or_literal(*authority));
    });
    const bool origin_ok = every_header(request, "origin", [&](std::string_view value) {
        return value.empty() || lists_origin(rules.cors_origins, value) ||
               is_own_origin(value, host);
    });
    if (!host_ok || !origin_ok || is_silent_cross_site(request))
        return forbidden("forbidden_host",
                         "without API keys only a Host that is localhost or an IP address is "
                         "served, and only pages of this machine's or of that Host; set "
                         "api-key-file, name the page's origin in cors-origins, or have the proxy "
                         "send \"Host: localhost\"");
    for (const char* name : {"x-forwarded-for", "x-real-ip"})
        if (!every_header(request, name, forwarded_from_here))
            return forbidden("forbidden_client",
                             "a proxy asks for a client on another machine, and no API keys are "
                             "set; set api-key-file, or insecure-no-auth where the network itself "
                             "is trusted");
    return std::nullopt;
}

std::string allowed_origin(const AccessRules& rules, const HttpRequest& request) {
    const std::string_view origin = request.header("origin");
    return !origin.empty() && lists_origin(rules.cors_origins, origin) ? std::string(origin)
                                                                       : std::string();
}

std::string allowed_headers(const HttpRequest& request) {
    constexpr size_t kMaxNames = 64;
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";  // RFC 9110, section 5.6.2
    const std::string_view asked = request.header("access-control-request-headers");
    std::string out = "authorization, content-type";
    for (size_t at = 0, n = 0; at < asked.size() && n < kMaxNames; n++) {
        const size_t end = std::min(asked.find(',', at), asked.size());
        const std::string name = lower(trim(asked.substr(at, end - at)));
        const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
            return (c >= 'a' && c <= 'z') || is_digit(c) || kMarks.find(c) != std::string::npos;
        });
        if (is_name && name != "authorization" && name != "content-type") out += ", " + name;
        at = end + 1;
    }
    return out;
}

}  // namespace qwend
