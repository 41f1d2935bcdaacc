#include "daemon/api/batches/state_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/api/batches/record_id.h"
#include "model/error.h"

namespace qwend {

namespace {

[[noreturn]] void refuse(const std::filesystem::path& root, std::string_view why) {
    throw LoadError(fmt::format(
        "state-directory: expected a folder that this process may write to, found {}: {}",
        root.string(), why));
}

/// A lock that belongs to the open file, not to the process, and can be asked for without being
/// taken.
struct flock whole_file() {
    struct flock lock {};
    lock.l_type = F_WRLCK, lock.l_whence = SEEK_SET;
    return lock;
}

/// One that was there keeps its permissions.
void make_folder(const std::filesystem::path& root, const std::filesystem::path& folder) {
    std::error_code error;
    if (std::filesystem::create_directories(folder, error) && !error)
        std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    if (error) refuse(root, error.message());
}

/// The folder, or the nearest one above it that is there.
std::filesystem::path nearest(std::filesystem::path folder) {
    std::error_code error;
    while (!std::filesystem::exists(folder, error) && folder.has_relative_path())
        folder = folder.parent_path();
    return folder;
}

std::vector<std::string> ids_in(const std::filesystem::path& folder, std::string_view prefix,
                                const std::string& extension) {
    std::vector<std::string> ids;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string id = entry.path().stem().string();
        if (entry.path().extension() == extension && is_record_id(prefix, id)) ids.push_back(id);
    }
    return ids;
}

}  // namespace

StateFolder::StateFolder(std::filesystem::path root) : root_(std::move(root)) {
    make_folder(root_, root_);
    const std::filesystem::path lock = root_ / "lock";
    lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_ < 0) refuse(root_, std::strerror(errno));
    struct flock wanted = whole_file();
    if (::fcntl(lock_, F_OFD_SETLK, &wanted) != 0) {
        const int error = errno;
        ::close(lock_);
        if (error != EAGAIN && error != EACCES) refuse(root_, std::strerror(error));
        throw LoadError(fmt::format(
            "state-directory: {} is used by another qwend; give each a folder of its own",
            root_.string()));
    }
    make_folder(root_, root_ / "files");
    make_folder(root_, root_ / "batches");
    remove_unfinished();
}

StateFolder::~StateFolder() {
    ::close(lock_);
}

std::filesystem::path StateFolder::file_record(const std::string& id) const {
    return root_ / "files" / (id + ".json");
}

std::filesystem::path StateFolder::file_data(const std::string& id) const {
    return root_ / "files" / (id + ".data");
}

std::filesystem::path StateFolder::batch_record(const std::string& id) const {
    return root_ / "batches" / (id + ".json");
}

std::vector<std::string> StateFolder::files_with(const std::string& extension) const {
    return ids_in(root_ / "files", kFilePrefix, extension);
}

std::vector<std::string> StateFolder::batches() const {
    return ids_in(root_ / "batches", kBatchPrefix, ".json");
}

/// Leftovers of records that were being replaced.
void StateFolder::remove_unfinished() const {
    for (const char* folder : {"files", "batches"})
        for (const auto& entry : std::filesystem::directory_iterator(root_ / folder))
            if (entry.path().extension() == ".tmp") std::filesystem::remove(entry.path());
}

bool is_state_folder_free(const std::filesystem::path& root) {
    const std::filesystem::path folder = nearest(std::filesystem::absolute(root));
    if (!std::filesystem::is_directory(folder)) refuse(root, std::strerror(ENOTDIR));
    if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse(root, std::strerror(errno));
    const int lock = ::open((root / "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0 && errno == ENOENT) return true;
    if (lock < 0) refuse(root, std::strerror(errno));
    struct flock held = whole_file();
    const int error = ::fcntl(lock, F_OFD_GETLK, &held) == 0 ? 0 : errno;
    ::close(lock);
    if (error != 0) refuse(root, std::strerror(error));
    return held.l_type == F_UNLCK;
}

std::filesystem::path state_root(const std::filesystem::path& option) {
    const char* const kept = std::getenv("STATE_DIRECTORY");
    if (option.is_absolute() || !kept) return option;
    // systemd separates several with colons.
    return std::filesystem::path(std::string_view(kept).substr(0, std::strcspn(kept, ":"))) /
           option;
}

}  // namespace qwend
