#include "daemon/api/batches/record_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace qwend {

namespace {

constexpr size_t kDigits = 32;

/// Microseconds since 1970, later than any that it gave before, also where the clock is set back
/// or does not move between two calls.
uint64_t next_microsecond() {
    using namespace std::chrono;
    static uint64_t last = 0;
    const auto now = system_clock::now().time_since_epoch();
    return last = std::max(last + 1, uint64_t(duration_cast<microseconds>(now).count()));
}

}  // namespace

std::string make_record_id(std::string_view prefix) {
    static std::random_device random;
    return fmt::format("{}{:016x}{:08x}{:08x}", prefix, next_microsecond(), random(), random());
}

bool is_record_id(std::string_view prefix, std::string_view text) {
    if (!text.starts_with(prefix) || text.size() != prefix.size() + kDigits) return false;
    return std::ranges::all_of(text.substr(prefix.size()), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

}  // namespace qwend
