#include "model/text/jinja/workspace.h"

#include <fmt/core.h>

#include <algorithm>

namespace qwend::jinja {

namespace {

constexpr size_t kBlockSize = 16u << 10;  // bytes; larger values have a block of their own
constexpr size_t kAlignment = alignof(std::max_align_t);

}  // namespace

void* Workspace::allocate(size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    take(bytes);
    if (bytes > n_free_) {
        // Those that need much of a block get their own, and leave the rest of this one in use.
        const bool is_large = bytes > kBlockSize / 4;
        blocks_.push_back(std::make_unique_for_overwrite<char[]>(is_large ? bytes : kBlockSize));
        if (is_large) return blocks_.back().get();
        free_ = blocks_.back().get();
        n_free_ = kBlockSize;
    }
    void* at = free_;
    free_ += bytes;
    n_free_ -= bytes;
    return at;
}

void Workspace::fail_steps() const {
    throw Failure{fmt::format("the chat template takes more than {} steps", limits_.steps)};
}

void Workspace::fail_bytes() const {
    throw Failure{fmt::format("the chat template's values take more than {} MiB",
                              std::max<size_t>(limits_.value_bytes >> 20, 1))};
}

void Workspace::fail_depth() const {
    throw Failure{fmt::format("more than {} levels of nesting", limits_.depth)};
}

}  // namespace qwend::jinja
