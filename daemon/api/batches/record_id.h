#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// A new name, in hexadecimal after the prefix: the microsecond of its making, which puts names of
/// one process in order of their making, and 64 random bits, so that nobody can guess it. Loop
/// thread.
std::string make_record_id(std::string_view prefix);

/// Whether `text` is a name as make_record_id() makes them, which is then safe as the name of a
/// file.
bool is_record_id(std::string_view prefix, std::string_view text);

inline constexpr std::string_view kFilePrefix = "file-", kBatchPrefix = "batch_";

}  // namespace qwend
