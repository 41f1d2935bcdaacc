#include "daemon/keys.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "daemon/file_access.h"
#include "model/error.h"

namespace qwend {

namespace {

namespace fs = std::filesystem;

/// Where systemd puts what LoadCredential= names; empty outside a service.
fs::path credentials_folder() {
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    return folder ? folder : "";
}

bool is_credential(const fs::path& file) {
    const fs::path folder = credentials_folder();
    return !folder.empty() && file.lexically_normal().parent_path() == folder.lexically_normal();
}

void check_mode(const fs::path& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0 || !(status.st_mode & 077)) return;
    throw LoadError(
        fmt::format("{}: expected mode 0600 or 0400, found {:04o}; others could read "
                    "the keys: chmod 600 it",
                    file.string(), status.st_mode & 07777));
}

std::string_view trim(std::string_view line) {
    constexpr std::string_view kBlanks = " \t\r";
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == line.npos) return {};
    return line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

std::vector<std::string> load_api_keys(const fs::path& file) {
    std::string text;
    try {
        text = read_text_file(file);
    } catch (const LoadError& error) {
        const bool is_forbidden = access(file.c_str(), R_OK) != 0 && errno == EACCES;
        const std::string advice =
            !is_forbidden ? ""
            : is_service()
                ? fmt::format(
                      "; let systemd read it, who may: with \"systemctl edit qwend\" set "
                      "[Service] LoadCredential=api-keys:{}, and leave api-key-file out",
                      file.string())
                : "; chown it to the user that runs qwend";
        throw LoadError(fmt::format("API keys: {}{}", error.what(), advice));
    }
    if (!is_credential(file)) check_mode(file);
    std::vector<std::string> keys;
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (const std::string_view key = trim(line); !key.empty() && key[0] != '#')
            keys.emplace_back(key);
    if (keys.empty())
        throw LoadError(fmt::format("{}: expected one key a line, found none", file.string()));
    return keys;
}

ApiKeys find_api_keys(const fs::path& configured) {
    if (!configured.empty())
        return {load_api_keys(configured), configured, is_credential(configured)};
    if (credentials_folder().empty()) return {};
    const fs::path file = credentials_folder() / "api-keys";
    struct stat status {};
    if (stat(file.c_str(), &status) != 0 && errno == ENOENT) return {};
    return {load_api_keys(file), file, true};
}

ApiKeys reload_api_keys(const fs::path& configured, const ApiKeys& now) {
    ApiKeys found = find_api_keys(configured);
    if (found.keys.empty() && !now.keys.empty())
        throw LoadError(fmt::format("the API keys in {} have vanished", now.file.string()));
    return found;
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
