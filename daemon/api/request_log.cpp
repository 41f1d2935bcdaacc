#include "daemon/api/request_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/log.h"

namespace qwend {

namespace {

constexpr size_t kMaxPath = 128;  // bytes
constexpr size_t kMaxMethod = 16;

std::string printable(std::string_view text, size_t most) {
    std::string out(text.substr(0, most));
    for (char& c : out)
        if (c <= ' ' || c > '~') c = '?';
    if (text.size() > most) out += "...";
    return out.empty() ? "-" : out;
}

bool is_probe(std::string_view path) {
    constexpr std::array<std::string_view, 4> kProbes = {"/livez", "/health", "/metrics",
                                                         "/status"};
    return std::find(kProbes.begin(), kProbes.end(), path) != kProbes.end();
}

}  // namespace

std::string request_line(const HttpRequest& request, int status, std::string_view details,
                         double now) {
    std::string line = fmt::format("{} {} {} {}{}", printable(request.request_id, kMaxPath),
                                   printable(request.method, kMaxMethod),
                                   printable(request.path, kMaxPath), status, details);
    if (request.arrived > 0)
        fmt::format_to(std::back_inserter(line), " total_ms={:.1f}", (now - request.arrived) * 1e3);
    return line;
}

void log_request(const HttpRequest& request, int status, std::string_view details, double now) {
    const LogLevel level = is_probe(request.path) ? LogLevel::debug : LogLevel::info;
    if (log_enabled(level)) log_line(level, request_line(request, status, details, now));
}

}  // namespace qwend
