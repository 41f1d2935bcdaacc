#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// API keys from a file, one a line; empty lines and lines that begin with # are skipped. Throws
/// LoadError if it cannot be read, holds no key, or others than its owner may read it.
std::vector<std::string> load_api_keys(const std::filesystem::path& file);

/// Whether `given` is one of `keys`, in time that depends neither on which nor on how much of it
/// matches.
bool is_api_key(std::string_view given, const std::vector<std::string>& keys);

}  // namespace qwend
