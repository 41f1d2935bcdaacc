#include "model/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/error.h"

namespace qwend {

namespace {

constexpr size_t kMaxTextBytes = size_t(1) << 30;

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view why) {
    throw LoadError(fmt::format("cannot read {}: {}", path.string(), why));
}

}  // namespace

int open_regular_file(const std::filesystem::path& path) {
    // Without O_NONBLOCK a pipe would wait for a writer.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) fail(path, std::strerror(errno));
    struct stat status {};
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
    ::close(fd);
    fail(path, S_ISDIR(status.st_mode) ? std::strerror(EISDIR) : "expected a regular file");
}

bool file_exists(const std::filesystem::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT) fail(path, std::strerror(errno));
    std::error_code ignored;
    if (!std::filesystem::is_symlink(path, ignored)) return false;
    fail(path, fmt::format("it is a link to {}, which does not exist; download it again",
                           std::filesystem::read_symlink(path, ignored).string()));
}

std::string read_file(const std::filesystem::path& path) {
    const int fd = open_regular_file(path);
    std::string text;
    char buffer[1 << 16];
    ssize_t n = 0;
    while ((n = ::read(fd, buffer, sizeof buffer)) > 0 && text.size() <= kMaxTextBytes)
        text.append(buffer, size_t(n));
    const int error = errno;
    ::close(fd);
    if (n < 0) fail(path, std::strerror(error));
    if (text.size() > kMaxTextBytes) fail(path, "expected at most 1 GiB of text");
    refuse_lfs_pointer(text, path);
    return text;
}

void refuse_lfs_pointer(std::string_view head, const std::filesystem::path& path) {
    if (!head.starts_with("version https://git-lfs.github.com/spec/")) return;
    throw LoadError(fmt::format(
        "{} is a git-lfs pointer, not the file itself; in that folder run: git lfs pull",
        path.string()));
}

}  // namespace qwend
