// The event loop: what its callbacks throw, and when its timers run.

#include "net/loop.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <new>
#include <stdexcept>
#include <vector>

using namespace qwend;

TEST_CASE("loop: what callbacks throw ends there") {
    EventLoop loop;
    std::vector<std::string> reports;
    loop.on_exception([&](std::string_view what) { reports.emplace_back(what); });
    const auto bad = [] { throw std::runtime_error("thrown"); };
    const auto wake = loop.make_wake(bad);
    const auto timer = loop.add_timer(0, false, bad);
    loop.on_signal(SIGUSR1, bad);
    int n_done = 0;
    loop.offload(bad, [&] { n_done++; });
    loop.offload([] {},
                 [&] {
                     n_done++;
                     throw std::bad_alloc();
                 });
    wake();
    raise(SIGUSR1);
    const auto end = loop.add_timer(0.01, true, [&] {
        if (n_done == 2 && reports.size() == 5) loop.stop();
    });
    loop.run();
    CHECK(reports.size() == 5);
}

TEST_CASE("loop: a timer starts from the present, however long the turn has lasted") {
    EventLoop loop;
    std::chrono::steady_clock::time_point began;
    std::shared_ptr<EventLoop::Timer> inner;
    double waited = 0;
    const auto outer = loop.add_timer(0, false, [&] {
        usleep(200000);
        began = std::chrono::steady_clock::now();
        inner = loop.add_timer(0.1, false, [&] {
            waited =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
            loop.stop();
        });
    });
    loop.run();
    CHECK(waited > 0.095);
}
