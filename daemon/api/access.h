#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "net/http.h"

namespace qwend {

/// Who may ask. With API keys set, a key; without, only what cannot be a web page of somebody
/// else's that got a browser on this machine to ask (DNS rebinding, cross-site requests), nor a
/// client that a proxy let in from another machine.
struct AccessRules {
    std::vector<std::string> api_keys;
    std::vector<std::string> cors_origins;  // "https://host", or "*"
    bool check_host = true;                 // false if told insecure_no_auth
};

/// An error if the request may not go on.
std::optional<ApiError> check_access(const AccessRules& rules, const HttpRequest& request);

/// The origin to name in Access-Control-Allow-Origin; empty if none.
std::string allowed_origin(const AccessRules& rules, const HttpRequest& request);

/// The header fields a browser may send from another origin, for Access-Control-Allow-Headers:
/// those it asks for, as far as they are names. Whoever may call may send any of them.
std::string allowed_headers(const HttpRequest& request);

/// A host and a port as in Host and Origin, in lower case.
struct Authority {
    std::string host;  // "localhost", "127.0.0.1", "[::1]"
    std::string port;  // empty if none is given
    bool operator==(const Authority&) const = default;
};
/// The whole of `text` as HOST[:PORT], or nothing. Source: RFC 3986, section 3.2.
std::optional<Authority> parse_authority(std::string_view text);

/// "localhost", *.localhost or an IP address: names no DNS server can bend.
bool is_local_or_literal(const Authority& authority);
/// "localhost", *.localhost, 127.0.0.0/8 or ::1: this machine.
bool is_loopback(const Authority& authority);

}  // namespace qwend
