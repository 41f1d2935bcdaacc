#pragma once

#include <algorithm>
#include <cstdint>

namespace qwend {

/// How long a transfer may go on: some bytes must move in every `patience` seconds, and after the
/// first of those `rate` bytes a second on the whole. A client that sends, or reads, a byte now and
/// then would otherwise keep its connection for ever. Times in seconds, of any one clock.
class Pace {
  public:
    Pace(double patience, double rate) : patience_(patience), rate_(rate) {}

    void start(double now, int64_t n_bytes) {
        began_ = moved_ = now;
        n_start_ = n_bytes_ = n_bytes;
    }
    /// `n_bytes` is a count that began anywhere.
    void advance(double now, int64_t n_bytes) {
        if (n_bytes <= n_bytes_) return;
        moved_ = now;
        n_bytes_ = n_bytes;
    }
    double began() const { return began_; }
    int64_t count() const { return n_bytes_; }
    double deadline() const {
        const double n_moved = double(n_bytes_ - n_start_);
        return std::min(moved_ + patience_, began_ + patience_ + n_moved / rate_);
    }

  private:
    double patience_, rate_;
    double began_ = 0, moved_ = 0;
    int64_t n_start_ = 0, n_bytes_ = 0;
};

}  // namespace qwend
