#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/options.h"

namespace qwend {

/// A line that sets something.
struct ConfigEntry {
    int line = 0;  // of the key, from 1
    std::string key;
    bool is_list = false;
    std::vector<std::string> values;  // as written, without quotes; one unless it is a list
};

/// Reads `key = value` lines: a part of TOML, with strings in either quotes, lists of values over
/// any number of lines, bare words, and # for comments. No sections. Throws LoadError with the name
/// of the file, the line, and what was expected.
std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& name);

/// Sets what the file sets. Throws LoadError: for a file that cannot be read, with the system's
/// reason, else with file, line, key, expected and found.
void load_config_file(const std::filesystem::path& file, Options& options);

}  // namespace qwend
