#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qwend {

/// Where files and batches are kept, and how they are laid out:
///   lock                          held by the process that uses the folder
///   files/ID.json, files/ID.data  what is known of a file, and its content
///   batches/ID.json
/// A file whose .json is missing is half an upload, or the output of a batch that is not done.
class StateFolder {
  public:
    /// Makes it where it is not there, and locks it as long as this lives. Throws LoadError where
    /// it cannot, or another process has it.
    explicit StateFolder(std::filesystem::path root);
    ~StateFolder();
    StateFolder(const StateFolder&) = delete;

    std::filesystem::path file_record(const std::string& id) const;
    std::filesystem::path file_data(const std::string& id) const;
    std::filesystem::path batch_record(const std::string& id) const;

    /// The ids that have a file of this kind (".json", ".data").
    std::vector<std::string> files_with(const std::string& extension) const;
    std::vector<std::string> batches() const;

  private:
    void remove_unfinished() const;

    const std::filesystem::path root_;
    int lock_ = -1;
};

/// For who will not use the folder: whether it can be made and written to, without doing either.
/// False if another process has it. Throws LoadError as StateFolder does.
bool is_state_folder_free(const std::filesystem::path& root);

/// Where the option `state-directory` leads: a relative path is below what systemd keeps for the
/// service, if it does (STATE_DIRECTORY); else below this process's own folder.
std::filesystem::path state_root(const std::filesystem::path& option);

}  // namespace qwend
