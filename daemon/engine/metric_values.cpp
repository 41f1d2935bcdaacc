#include "daemon/engine/metric_values.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace qwend {

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value, uint64_t count) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    counts_[size_t(bucket)].fetch_add(count, std::memory_order_relaxed);
    double sum = sum_.load(std::memory_order_relaxed);
    while (
        !sum_.compare_exchange_weak(sum, sum + value * double(count), std::memory_order_relaxed)) {
    }
}

std::vector<uint64_t> Histogram::bucket_counts() const {
    std::vector<uint64_t> counts;
    for (auto& count : counts_) counts.push_back(count.load(std::memory_order_relaxed));
    return counts;
}

void ThreadClock::attach() {
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) != 0) return;
    clock_ = clock;
    attached_ = true;
}

double ThreadClock::seconds() const {
    timespec time{};
    if (!attached_ || clock_gettime(clock_, &time) != 0) return 0;
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

}  // namespace qwend
