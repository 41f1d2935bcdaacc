#pragma once

#include <filesystem>
#include <string>

namespace qwend {

/// Why this process cannot use the path, in the system's words and with what to do about it: which
/// folder on the way to it may not be entered, whose it is, and where a service's files belong.
/// To be called right after the attempt failed, with its errno.
std::string why_not_accessible(const std::filesystem::path& path, int error);

/// A small file's text. Throws LoadError with the reason.
std::string read_text_file(const std::filesystem::path& file);

/// Throws LoadError unless the folder can be entered and every file of a checkpoint in it be read.
void check_model_folder(const std::filesystem::path& folder);

/// What keeps users other than its owner and root from reading the folder or a file of a checkpoint
/// in it; empty if nothing does.
std::filesystem::path closed_to_others(const std::filesystem::path& folder);

/// Whether systemd started this process.
bool is_service();

}  // namespace qwend
