#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// A new name that nobody can guess: the prefix and 128 random bits in hexadecimal.
std::string make_record_id(std::string_view prefix);

/// Whether `text` is a name as make_record_id() makes them, which is then safe as the name of a
/// file.
bool is_record_id(std::string_view prefix, std::string_view text);

inline constexpr std::string_view kFilePrefix = "file-", kBatchPrefix = "batch_";

}  // namespace qwend
