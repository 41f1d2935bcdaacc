#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace qwend {

enum class Pages { small, huge };  // huge: fewer faults where all of it will be touched

/// The system has no memory for something that has a name. As for any std::bad_alloc, a restart may
/// find what others have given back by then.
class NoMemory : public std::bad_alloc {
  public:
    explicit NoMemory(std::string why) : why_(std::make_shared<std::string>(std::move(why))) {}
    const char* what() const noexcept override { return why_->c_str(); }

  private:
    std::shared_ptr<const std::string> why_;  // shared: copying an exception may not throw
};

/// Zeroed memory that costs nothing until it is touched.
class LazyMemory {
  public:
    LazyMemory() = default;
    /// Throws NoMemory, with `what` for the memory's name, if the system refuses.
    LazyMemory(size_t n_bytes, Pages pages, const char* what);
    ~LazyMemory();
    LazyMemory(LazyMemory&& other) noexcept;
    LazyMemory& operator=(LazyMemory&& other) noexcept;
    std::byte* get() const { return static_cast<std::byte*>(address_); }
    size_t n_bytes() const { return n_bytes_; }

  private:
    void* address_ = nullptr;
    size_t n_bytes_ = 0;
};

/// What memory this process may use, in bytes; both 0 where the system does not say.
struct HostMemory {
    size_t available = 0;  // without swapping, now
    size_t total = 0;
};

/// As /proc/meminfo has it, within the limits of the control groups around the process: systemd's
/// MemoryMax and MemoryHigh, a container's. `root` stands for / in the tests.
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
HostMemory host_memory(const std::filesystem::path& root = "/");

}  // namespace qwend
