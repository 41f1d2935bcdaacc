#include "daemon/engine/metric_values.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace qwend;

TEST_CASE("metric_values: histograms count into the right bucket") {
    Histogram histogram({1, 2, 5});
    for (double v : {0.5, 1.0, 1.5, 5.0, 6.0}) histogram.observe(v);
    histogram.observe(2, 3);
    CHECK(histogram.bucket_counts() == std::vector<uint64_t>{2, 4, 1, 1});
    CHECK(histogram.sum() == doctest::Approx(20));
}

TEST_CASE("metric_values: a thread's clock counts its own work only, and ends with it") {
    ThreadClock busy, lazy;
    std::atomic<bool> done{false}, seen{false};
    std::thread sleeper([&] {
        lazy.attach();
        while (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    std::thread worker([&] {
        busy.attach();
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (busy.seconds() < 0.05 && std::chrono::steady_clock::now() < deadline) {
        }
        done = true;
        while (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(busy.seconds() >= 0.05);
    CHECK(lazy.seconds() < busy.seconds() / 2);
    seen = true;
    worker.join(), sleeper.join();
    CHECK(busy.seconds() == 0);
}
