#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace qwend {

/// An open file. Whatever fails throws std::system_error, which names the file. Any thread, but
/// one at a time.
class DiskFile {
  public:
    static DiskFile open(const std::filesystem::path& path);    // that is there, to be read
    static DiskFile create(const std::filesystem::path& path);  // or open it, to be written too
    DiskFile(DiskFile&& other) noexcept;
    DiskFile& operator=(DiskFile&& other) noexcept;
    ~DiskFile();

    uint64_t size() const;
    /// At most `n_bytes` from `offset` on; fewer at the end of the file alone.
    std::string read(uint64_t offset, size_t n_bytes) const;
    void write(uint64_t offset, std::string_view data);
    void truncate(uint64_t size);
    void sync();  // what was written is on the disk then

  private:
    DiskFile(const std::filesystem::path& path, int flags);

    std::string name_;
    int fd_ = -1;
};

/// Puts a text in a file's place: whoever looks, also after a crash, finds the old one or the new
/// one as a whole. Throws std::system_error.
void replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace qwend
