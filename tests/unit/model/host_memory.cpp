// How much memory there is, by what the kernel's files say.

#include "model/host_memory.h"

#include <doctest/doctest.h>

#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

constexpr size_t kMiB = size_t(1) << 20;

/// A file system of such files.
class Root {
  public:
    Root() {
        write("proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n");
    }
    Root& write(const std::string& path, std::string_view content) {
        std::filesystem::create_directories((dir_.path() / path).parent_path());
        dir_.write(path, content);
        return *this;
    }
    HostMemory memory() const { return host_memory(dir_.path()); }

  private:
    TempDir dir_;
};

}  // namespace

TEST_CASE("host_memory: the machine's, where no group limits it") {
    Root root;
    CHECK(root.memory().available == 4096 * kMiB);
    CHECK(root.memory().total == 8192 * kMiB);
    root.write("proc/self/cgroup", "0::/system.slice/qwend.service\n");
    root.write("sys/fs/cgroup/system.slice/qwend.service/memory.max", "max\n");
    CHECK(root.memory().available == 4096 * kMiB);
    TempDir empty;
    CHECK(host_memory(empty.path()).available == 0);
    CHECK(host_memory().available > 0);
}

TEST_CASE("host_memory: the least of the group's limits and those around it") {
    const std::string slice = "sys/fs/cgroup/system.slice/", service = slice + "qwend.service/";
    Root root;
    root.write("proc/self/cgroup", "0::/system.slice/qwend.service\n");
    root.write(service + "memory.max", "1073741824\n")
        .write(service + "memory.current", "314572800\n");
    CHECK(root.memory().available == 724 * kMiB);
    CHECK(root.memory().total == 1024 * kMiB);
    // Page cache can be had back.
    root.write(service + "memory.stat", "anon 1\ninactive_file 104857600\nactive_file 104857600\n");
    CHECK(root.memory().available == 924 * kMiB);
    root.write(service + "memory.high", "536870912\n");
    CHECK(root.memory().available == 412 * kMiB);
    root.write(slice + "memory.max", "209715200\n").write(slice + "memory.current", "104857600\n");
    CHECK(root.memory().available == 100 * kMiB);
    CHECK(root.memory().total == 200 * kMiB);
    root.write(slice + "memory.current", "999999999999\n");
    CHECK(root.memory().available == 0);
}

TEST_CASE("host_memory: in a container, and under version 1 of control groups") {
    Root container;
    container.write("proc/self/cgroup", "0::/\n").write("sys/fs/cgroup/memory.max", "536870912\n");
    CHECK(container.memory().available == 512 * kMiB);
    Root hidden;  // the host's path, which is not to be seen from inside
    hidden.write("proc/self/cgroup", "0::/docker/0123/x\n");
    hidden.write("sys/fs/cgroup/memory.max", "536870912\n");
    CHECK(hidden.memory().available == 512 * kMiB);
    Root old;
    old.write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/0123\n");
    old.write("sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "268435456\n");
    old.write("sys/fs/cgroup/memory/docker/0123/memory.usage_in_bytes", "67108864\n");
    old.write("sys/fs/cgroup/memory/docker/0123/memory.stat", "total_inactive_file 33554432\n");
    old.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(old.memory().available == 224 * kMiB);
}

TEST_CASE("host_memory: lazy memory is zero, and refused by name where there is none") {
    LazyMemory memory(1 << 22, Pages::huge, "weights");
    CHECK(memory.get()[(1 << 22) - 1] == std::byte(0));
    CHECK_THROWS_WITH_AS(LazyMemory(size_t(1) << 60, Pages::small, "the KV cache"),
                         doctest::Contains("for the KV cache: Cannot allocate memory"),
                         std::bad_alloc);
}
