#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html

inline constexpr std::string_view kSsePing = ": ping\n\n";
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

/// "data: …\n\n"; `json` has no newline, as our writer guarantees.
inline std::string sse_event(std::string_view json) {
    std::string out;
    out.reserve(json.size() + 8);
    out.append("data: ").append(json).append("\n\n");
    return out;
}

}  // namespace qwend
