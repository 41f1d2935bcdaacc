#include "model/host_memory.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace qwend {

namespace {

namespace fs = std::filesystem;

/// The number after `key` in a file of lines "key number"; 0 if there is none.
size_t field(const fs::path& path, std::string_view key) {
    std::ifstream in(path);
    for (std::string name, rest; in >> name; std::getline(in, rest)) {
        size_t value = 0;
        if (name == key && in >> value) return value;
    }
    return 0;
}

/// The number that is all of a file; empty if there is none, or "max".
std::optional<size_t> number(const fs::path& path) {
    std::ifstream in(path);
    size_t value = 0;
    return in >> value ? std::optional(value) : std::nullopt;
}

/// How one version of control groups names its files.
struct GroupFiles {
    const char* mount;
    std::initializer_list<const char*> limits;
    const char* usage;
    std::initializer_list<const char*> reclaimable;  // fields of memory.stat: the page cache
};

const GroupFiles kVersion2 = {"sys/fs/cgroup",
                              {"memory.max", "memory.high"},
                              "memory.current",
                              {"inactive_file", "active_file"}};
const GroupFiles kVersion1 = {"sys/fs/cgroup/memory",
                              {"memory.limit_in_bytes"},
                              "memory.usage_in_bytes",
                              {"total_inactive_file", "total_active_file"}};

/// Lowers `memory` to what the group leaves to its processes.
void apply_group(const fs::path& group, const GroupFiles& files, HostMemory& memory) {
    size_t reclaimable = 0;
    for (const char* name : files.reclaimable) reclaimable += field(group / "memory.stat", name);
    const size_t usage = number(group / files.usage).value_or(0);
    const size_t used = usage - std::min(usage, reclaimable);
    for (const char* name : files.limits)
        if (const auto limit = number(group / name)) {
            memory.total = std::min(memory.total, *limit);
            memory.available = std::min(memory.available, *limit - std::min(*limit, used));
        }
}

/// The process's group and those around it. Inside a container only the part below its own root is
/// to be seen, which then lies at the mount itself.
void apply_groups(const fs::path& root, std::string path, const GroupFiles& files,
                  HostMemory& memory) {
    const fs::path mount = root / files.mount;
    for (;; path.resize(path.rfind('/'))) {
        while (path.ends_with('/')) path.pop_back();
        apply_group(mount / path.substr(std::min<size_t>(1, path.size())), files, memory);
        if (path.rfind('/') == std::string::npos) return;
    }
}

}  // namespace

LazyMemory::LazyMemory(size_t n_bytes, Pages pages, const char* what) : n_bytes_(n_bytes) {
    if (n_bytes == 0) return;
    address_ = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address_ == MAP_FAILED)
        throw NoMemory(fmt::format("cannot reserve {} MiB for {}: {}", n_bytes >> 20, what,
                                   std::strerror(errno)));
    if (pages == Pages::huge) madvise(address_, n_bytes, MADV_HUGEPAGE);
}

LazyMemory::~LazyMemory() {
    if (address_) munmap(address_, n_bytes_);
}

LazyMemory::LazyMemory(LazyMemory&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      n_bytes_(std::exchange(other.n_bytes_, 0)) {}

LazyMemory& LazyMemory::operator=(LazyMemory&& other) noexcept {
    std::swap(address_, other.address_), std::swap(n_bytes_, other.n_bytes_);
    return *this;
}

HostMemory host_memory(const fs::path& root) {
    const fs::path meminfo = root / "proc/meminfo";
    HostMemory memory{field(meminfo, "MemAvailable:") << 10, field(meminfo, "MemTotal:") << 10};
    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        // number:controllers:path, and "0::path" for version 2
        const size_t first = line.find(':');
        const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        if (controllers == ",,") apply_groups(root, line.substr(second + 1), kVersion2, memory);
        if (controllers.find(",memory,") != controllers.npos)
            apply_groups(root, line.substr(second + 1), kVersion1, memory);
    }
    return memory;
}

}  // namespace qwend
