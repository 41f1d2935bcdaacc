#include "daemon/access.h"

#include <arpa/inet.h>

#include <algorithm>

#include "daemon/keys.h"

namespace qwend {

namespace {

std::string_view bearer_token(const HttpRequest& request) {
    constexpr std::string_view kScheme = "bearer ";
    std::string_view value = request.header("authorization");
    const bool bearer = value.size() > kScheme.size() &&
                        std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                                   [](char a, char b) { return a == (b | 0x20) || a == b; });
    return bearer ? value.substr(kScheme.size()) : request.header("x-api-key");
}

bool lists_origin(const std::vector<std::string>& origins, std::string_view origin) {
    return std::any_of(origins.begin(), origins.end(),
                       [&](auto& o) { return o == "*" || o == origin; });
}

}  // namespace

bool is_local_or_literal_host(std::string_view host) {
    if (host.starts_with('[')) {
        const size_t end = host.find(']');
        if (end == std::string_view::npos) return false;
        in6_addr v6;
        return inet_pton(AF_INET6, std::string(host.substr(1, end - 1)).c_str(), &v6) == 1;
    }
    host = host.substr(0, host.find(':'));
    in_addr v4;
    return host.empty() || host == "localhost" || host.ends_with(".localhost") ||
           inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1;
}

std::optional<ApiError> check_access(const AccessRules& rules, const HttpRequest& request) {
    if (!rules.api_keys.empty()) {
        if (is_api_key(bearer_token(request), rules.api_keys)) return std::nullopt;
        return ApiError{401, "authentication_error", "invalid_api_key", "",
                        "expected a valid key in \"Authorization: Bearer …\""};
    }
    if (!rules.check_host) return std::nullopt;
    const std::string_view origin = request.header("origin");
    const size_t scheme = origin.find("://");
    const bool origin_ok =
        origin.empty() || lists_origin(rules.cors_origins, origin) ||
        (scheme != std::string_view::npos && is_local_or_literal_host(origin.substr(scheme + 3)));
    if (is_local_or_literal_host(request.header("host")) && origin_ok) return std::nullopt;
    return ApiError{403, "permission_error", "forbidden_host", "",
                    "without API keys only Host and Origin headers that name this machine by "
                    "localhost or an IP address are served; set api-key-file, or have the proxy "
                    "send \"Host: localhost\""};
}

std::string allowed_origin(const AccessRules& rules, const HttpRequest& request) {
    const std::string_view origin = request.header("origin");
    return !origin.empty() && lists_origin(rules.cors_origins, origin) ? std::string(origin)
                                                                       : std::string();
}

}  // namespace qwend
