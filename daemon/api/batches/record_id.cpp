#include "daemon/api/batches/record_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace qwend {

namespace {

constexpr size_t kDigits = 32;

}  // namespace

std::string make_record_id(std::string_view prefix) {
    static thread_local std::random_device random;
    std::string id(prefix);
    for (size_t i = 0; i < kDigits / 8; i++)
        fmt::format_to(std::back_inserter(id), "{:08x}", random());
    return id;
}

bool is_record_id(std::string_view prefix, std::string_view text) {
    if (!text.starts_with(prefix) || text.size() != prefix.size() + kDigits) return false;
    return std::ranges::all_of(text.substr(prefix.size()), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

}  // namespace qwend
