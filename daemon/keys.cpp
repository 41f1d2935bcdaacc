#include "daemon/keys.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <fstream>

#include "model/error.h"

namespace qwend {

std::vector<std::string> load_api_keys(const std::filesystem::path& file) {
    struct stat status {};
    std::ifstream in(file);
    if (stat(file.c_str(), &status) != 0 || !in)
        throw LoadError(fmt::format("cannot read the API keys in {}", file.string()));
    if (status.st_mode & 077)
        throw LoadError(
            fmt::format("{}: expected mode 0600 or 0400, found {:04o}; others could "
                        "read the keys: chmod 600 it",
                        file.string(), status.st_mode & 07777));
    std::vector<std::string> keys;
    for (std::string line; std::getline(in, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
        if (!line.empty() && line[0] != '#') keys.push_back(line);
    }
    if (keys.empty())
        throw LoadError(fmt::format("{}: expected one key a line, found none", file.string()));
    return keys;
}

bool is_api_key(std::string_view given, const std::vector<std::string>& keys) {
    unsigned found = 0;
    for (const std::string& key : keys) {
        // Every byte of the key is compared, whatever was given; only its length can be timed.
        unsigned difference = given.size() == key.size() ? 0 : 1;
        for (size_t i = 0; i < key.size(); i++)
            difference |= uint8_t(key[i]) ^ uint8_t(i < given.size() ? given[i] : 0);
        found |= unsigned(difference == 0);
    }
    return found != 0;
}

}  // namespace qwend
