#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// API keys from a file, one a line; empty lines and lines that begin with # are skipped. Throws
/// LoadError if it cannot be read, holds no key, or others than its owner may read it (of systemd's
/// credentials systemd sees to that).
std::vector<std::string> load_api_keys(const std::filesystem::path& file);

struct ApiKeys {
    std::vector<std::string> keys;  // empty: no authentication
    std::filesystem::path file;     // where they are from
    bool is_credential = false;     // given by systemd, which keeps it as it was at the start
};

/// From the file that the configuration names, else from systemd's credential "api-keys", else
/// none. Throws LoadError.
ApiKeys find_api_keys(const std::filesystem::path& configured);

/// Once more, for a running daemon: never from keys to none, which would open it to everybody.
/// Throws LoadError, and then `now` goes on.
ApiKeys reload_api_keys(const std::filesystem::path& configured, const ApiKeys& now);

/// Whether `given` is one of `keys`, in time that depends neither on which nor on how much of it
/// matches.
bool is_api_key(std::string_view given, const std::vector<std::string>& keys);

}  // namespace qwend
