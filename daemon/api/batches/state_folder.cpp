#include "daemon/api/batches/state_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
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

void make_folder(const std::filesystem::path& root, const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    if (error) refuse(root, error.message());
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
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        ::close(lock_);
        if (error != EWOULDBLOCK) refuse(root_, std::strerror(error));
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

std::filesystem::path state_root(const std::filesystem::path& option) {
    const char* const kept = std::getenv("STATE_DIRECTORY");
    if (option.is_absolute() || !kept) return option;
    // systemd separates several with colons.
    return std::filesystem::path(std::string_view(kept).substr(0, std::strcspn(kept, ":"))) /
           option;
}

}  // namespace qwend
