#include "daemon/api/unknown_fields.h"

#include <algorithm>

#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxNames = 100, kMaxNameLength = 64;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

}  // namespace

void note_unknown_field(std::string_view name, int& n_fields, std::vector<std::string>& names) {
    constexpr size_t kMostOfABody = 8;
    n_fields++;
    if (names.size() < kMostOfABody) names.push_back(excerpt(name));
}

std::vector<std::string> UnknownFields::note(const std::vector<std::string>& names) {
    std::vector<std::string> fresh;
    for (std::string name : names) {
        name.resize(std::min(name.size(), kMaxNameLength));
        std::replace_if(
            name.begin(), name.end(), [](char c) { return !is_plain(c); }, '?');
        if (seen_.size() < kMaxNames && seen_.insert(name).second) fresh.push_back(name);
    }
    return fresh;
}

}  // namespace qwend
