#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace qwend {

/// A number that only grows. Any thread.
class Counter {
  public:
    void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};

/// A number that goes both ways. Any thread.
class Gauge {
  public:
    void set(double v) { value_.store(v, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

/// The CPU time of one thread, read by others: it costs that thread nothing.
class ThreadClock {
  public:
    void attach();           // to the calling thread; it should outlive the readers' interest
    double seconds() const;  // user and system; 0 before attach() and after the thread ended

  private:
    std::atomic<clockid_t> clock_{0};
    std::atomic<bool> attached_{false};
};

/// A Prometheus histogram with fixed upper bounds. Any thread.
class Histogram {
  public:
    explicit Histogram(std::vector<double> bounds);
    void observe(double value, uint64_t count = 1);
    const std::vector<double>& bounds() const { return bounds_; }
    std::vector<uint64_t> bucket_counts() const;  // not cumulative; bounds().size() + 1 entries
    double sum() const { return sum_.load(std::memory_order_relaxed); }

  private:
    std::vector<double> bounds_;
    std::vector<std::atomic<uint64_t>> counts_;
    std::atomic<double> sum_{0};
};

}  // namespace qwend
