#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace qwend {

/// Opens a regular file for reading; the caller closes the descriptor. Throws LoadError with the
/// system's reason, and for a folder, a pipe or a device.
int open_regular_file(const std::filesystem::path& path);

/// Whether there is such a file, of any kind. Throws LoadError if that cannot be told (permission,
/// a file where a folder is expected) or if it is a link to nothing, which is what an unfinished
/// download leaves in the Hugging Face cache.
bool file_exists(const std::filesystem::path& path);

/// Reads a whole text file, of at most 1 GiB. Throws LoadError with the system's reason if it
/// cannot be read, or if it is the pointer that git-lfs leaves in place of a large file.
std::string read_file(const std::filesystem::path& path);

/// If `head` begins like a git-lfs pointer, throws a LoadError that says how to get the real file.
void refuse_lfs_pointer(std::string_view head, const std::filesystem::path& path);

}  // namespace qwend
