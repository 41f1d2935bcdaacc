#include "daemon/api/batches/disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace qwend {

namespace {

[[noreturn]] void fail(const std::string& name) {
    throw std::system_error(errno, std::generic_category(), name);
}

}  // namespace

DiskFile::DiskFile(const std::filesystem::path& path, int flags)
    : name_(path.string()), fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ < 0) fail(name_);
}

DiskFile DiskFile::open(const std::filesystem::path& path) {
    return {path, O_RDONLY};
}

DiskFile DiskFile::create(const std::filesystem::path& path) {
    return {path, O_RDWR | O_CREAT};
}

DiskFile::DiskFile(DiskFile&& other) noexcept
    : name_(std::move(other.name_)), fd_(std::exchange(other.fd_, -1)) {}

DiskFile& DiskFile::operator=(DiskFile&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(fd_, other.fd_);
    return *this;
}

DiskFile::~DiskFile() {
    if (fd_ >= 0) ::close(fd_);
}

uint64_t DiskFile::size() const {
    struct stat found {};
    if (::fstat(fd_, &found) != 0) fail(name_);
    return uint64_t(found.st_size);
}

std::string DiskFile::read(uint64_t offset, size_t n_bytes) const {
    std::string data(n_bytes, '\0');
    size_t n = 0;
    while (n < n_bytes) {
        const ssize_t got = ::pread(fd_, data.data() + n, n_bytes - n, off_t(offset + n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(name_);
        if (got == 0) break;
        n += size_t(got);
    }
    data.resize(n);
    return data;
}

void DiskFile::write(uint64_t offset, std::string_view data) {
    while (!data.empty()) {
        const ssize_t put = ::pwrite(fd_, data.data(), data.size(), off_t(offset));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) fail(name_);
        data.remove_prefix(size_t(put));
        offset += uint64_t(put);
    }
}

void DiskFile::truncate(uint64_t size) {
    if (::ftruncate(fd_, off_t(size)) != 0) fail(name_);
}

void DiskFile::sync() {
    if (::fdatasync(fd_) != 0) fail(name_);
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::path fresh = path;
    fresh += ".tmp";
    DiskFile file = DiskFile::create(fresh);
    file.truncate(0);
    file.write(0, text);
    file.sync();
    if (::rename(fresh.c_str(), path.c_str()) != 0) fail(path.string());
    const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) fail(path.parent_path().string());
    ::fsync(folder);  // where a file system cannot, the rename is as safe as it gets
    ::close(folder);
}

}  // namespace qwend
