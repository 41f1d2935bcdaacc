#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace qwend {

/// Memory in huge pages where the kernel has them: weights are read from end to end for every
/// token, and with small pages every 4 KiB of that begins with a walk of the page table.
struct HugePages {
    static constexpr size_t kPage = size_t(2) << 20;
    explicit HugePages(size_t n_bytes) {
        const size_t n_padded = (n_bytes + kPage - 1) / kPage * kPage;
        address = std::aligned_alloc(n_bytes < kPage ? 64 : kPage, n_padded);
        if (!address) throw std::bad_alloc();
        if (n_bytes >= kPage) (void)!madvise(address, n_padded, MADV_HUGEPAGE);
    }
    ~HugePages() { std::free(address); }
    HugePages(const HugePages&) = delete;
    HugePages& operator=(const HugePages&) = delete;
    void* address;
};

}  // namespace qwend
