#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qwend {

/// Nanoseconds since 1970, of the time of day.
int64_t unix_nanoseconds();

/// "2026-01-31T23:59:59.123456789Z": RFC 3339 in UTC, always with nine digits after the point.
std::string rfc3339(int64_t nanoseconds);

/// A duration as Go writes it ("5m", "-1s", "1h30m", "1.5h"), in seconds; nothing if it is none.
/// Source: Go's time.ParseDuration.
std::optional<double> parse_duration(std::string_view text);

}  // namespace qwend
