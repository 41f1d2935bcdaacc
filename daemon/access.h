#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/openai.h"
#include "net/http.h"

namespace qwend {

/// Who may ask. With API keys set, a key; without, only what cannot be a web page of somebody
/// else's that got a browser on this machine to ask (DNS rebinding, cross-site requests).
struct AccessRules {
    std::vector<std::string> api_keys;
    std::vector<std::string> cors_origins;  // "https://host", or "*"
    bool check_host = true;                 // false if told insecure_no_auth
};

/// An error if the request may not go on.
std::optional<ApiError> check_access(const AccessRules& rules, const HttpRequest& request);

/// The origin to name in Access-Control-Allow-Origin; empty if none.
std::string allowed_origin(const AccessRules& rules, const HttpRequest& request);

/// "localhost", *.localhost or an IP address, with or without a port: names no DNS server can bend.
bool is_local_or_literal_host(std::string_view host);

}  // namespace qwend
