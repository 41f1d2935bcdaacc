#include "daemon/file_access.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "model/error.h"

namespace qwend {

namespace {

namespace fs = std::filesystem;

std::string user_name(uid_t uid) {
    passwd entry{}, *found = nullptr;
    std::vector<char> buffer(16384);
    if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found)
        return found->pw_name;
    return fmt::format("uid {}", uid);
}

/// The first folder on the way to `path` that may not be entered; empty if all may.
fs::path closed_folder(const fs::path& path) {
    fs::path so_far;
    for (const fs::path& part : fs::absolute(path).parent_path()) {
        so_far /= part;
        if (access(so_far.c_str(), X_OK) != 0 && errno == EACCES) return so_far;
    }
    return {};
}

bool is_of_checkpoint(const fs::path& file) {
    return file.extension() == ".json" || file.extension() == ".safetensors" ||
           file.extension() == ".gguf";
}

bool lacks(const fs::path& path, mode_t wanted) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && (status.st_mode & wanted) != wanted;
}

}  // namespace

bool is_service() {
    return std::getenv("INVOCATION_ID") != nullptr;
}

std::string why_not_accessible(const fs::path& path, int error) {
    std::string why = std::strerror(error);
    if (error != EACCES && error != EPERM) return why;
    const fs::path closed = closed_folder(path);
    const fs::path& culprit = closed.empty() ? path : closed;
    struct stat status {};
    if (stat(culprit.c_str(), &status) == 0)
        why += fmt::format(": {} belongs to {} with mode {:04o}", culprit.string(),
                           user_name(status.st_uid), status.st_mode & 07777);
    why += fmt::format(", and qwend runs as {}", user_name(geteuid()));
    if (is_service()) why += ", a user of its own";
    return why;
}

std::string read_text_file(const fs::path& file) {
    constexpr size_t kMost = 1 << 20;
    const auto fail = [&](const std::string& why) {
        throw LoadError(fmt::format("cannot read {}: {}", file.string(), why));
    };
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(why_not_accessible(file, errno));
    std::string text;
    char buffer[65536];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0 && text.size() <= kMost)
        text.append(buffer, size_t(n));
    const int error = errno;
    close(fd);
    if (n < 0) fail(std::strerror(error));
    if (text.size() > kMost) fail("expected at most 1 MiB, found more");
    return text;
}

void check_model_folder(const fs::path& folder) {
    const auto fail = [&](const fs::path& what, int error) {
        std::string advice;
        if (error == EACCES || error == EPERM)
            advice = is_service()
                         ? "; move the checkpoint to /var/lib/qwend, or let others read it: "
                           "chmod -R o+rX"
                         : "; chmod -R o+rX lets others read it";
        throw LoadError(fmt::format("cannot read the model in {}: {}{}", what.string(),
                                    why_not_accessible(what, error), advice));
    };
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0) {
        if (errno == ENOENT) return;  // load_model_config() says so best
        fail(folder, errno);
    }
    if (S_ISREG(status.st_mode)) {  // a GGUF file, or what load_model_config() refuses best
        if (access(folder.c_str(), R_OK) != 0) fail(folder, errno);
        return;
    }
    if (!S_ISDIR(status.st_mode)) fail(folder, ENOTDIR);
    if (access(folder.c_str(), R_OK | X_OK) != 0) fail(folder / ".", errno);
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (is_of_checkpoint(entry.path()) && access(entry.path().c_str(), R_OK) != 0)
            fail(entry.path(), errno);
    }
}

fs::path closed_to_others(const fs::path& folder) {
    fs::path so_far;
    for (const fs::path& part : fs::absolute(folder).lexically_normal()) {
        so_far /= part;
        if (fs::is_directory(so_far) && lacks(so_far, S_IXOTH)) return so_far;
    }
    if (lacks(folder, S_IROTH)) return folder;
    if (!fs::is_directory(folder)) return {};
    for (const auto& entry : fs::directory_iterator(folder))
        if (is_of_checkpoint(entry.path()) && lacks(entry.path(), S_IROTH)) return entry.path();
    return {};
}

}  // namespace qwend
