#include "daemon/api/ollama/time_text.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <ctime>
#include <iterator>
#include <utility>

namespace qwend {

namespace {

constexpr int64_t kSecond = 1'000'000'000;  // ns

/// Takes a unit from the front of the text; its seconds, or 0 if there is none.
double take_unit(std::string_view& text) {
    // Of two that begin alike, the longer first.
    static constexpr std::pair<std::string_view, double> units[] = {
        {"ns", 1e-9}, {"us", 1e-6}, {"\u00B5s", 1e-6}, {"\u03BCs", 1e-6},
        {"ms", 1e-3}, {"s", 1},     {"m", 60},         {"h", 3600}};
    for (const auto& [name, seconds] : units)
        if (text.starts_with(name)) {
            text.remove_prefix(name.size());
            return seconds;
        }
    return 0;
}

}  // namespace

int64_t unix_nanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string rfc3339(int64_t nanoseconds) {
    const std::time_t seconds = std::time_t(nanoseconds / kSecond);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       nanoseconds % kSecond);
}

std::optional<double> parse_duration(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    double seconds = 0;
    while (!text.empty()) {
        double number = 0;
        const char first = text.front();
        if (first != '.' && (first < '0' || first > '9')) return std::nullopt;  // "-", "inf"
        const auto [end, rc] = std::from_chars(text.data(), text.data() + text.size(), number,
                                               std::chars_format::fixed);
        if (rc != std::errc()) return std::nullopt;
        text.remove_prefix(size_t(end - text.data()));
        const double unit = take_unit(text);
        if (unit == 0) return std::nullopt;
        seconds += number * unit;
    }
    return negative ? -seconds : seconds;
}

}  // namespace qwend
