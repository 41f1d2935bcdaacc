#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace qwend {

/// What the body of one request takes of the memory that all bodies may have together; given back
/// when it goes.
class BodyShare {
  public:
    explicit BodyShare(std::shared_ptr<size_t> total) : total_(std::move(total)) {}
    BodyShare(const BodyShare&) = delete;
    ~BodyShare() { *total_ -= n_bytes_; }

    /// False if all bodies together would then have more than `limit`.
    bool resize(size_t n_bytes, size_t limit) {
        *total_ += n_bytes - n_bytes_;
        n_bytes_ = n_bytes;
        return *total_ <= limit;
    }

  private:
    std::shared_ptr<size_t> total_;
    size_t n_bytes_ = 0;
};

}  // namespace qwend
