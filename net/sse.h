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

/// The same for clients that tell events by their names.
inline std::string sse_event(std::string_view name, std::string_view json) {
    std::string out;
    out.reserve(name.size() + json.size() + 16);
    out.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
    return out;
}

}  // namespace qwend
