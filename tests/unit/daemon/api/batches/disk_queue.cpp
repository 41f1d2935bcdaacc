#include "daemon/api/batches/disk_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>

using namespace qwend;

TEST_CASE("disk_queue: one at a time, in order, and what is thrown is told") {
    EventLoop loop;
    DiskQueue disk(loop);
    std::atomic<int> n_at_work = 0;
    bool alone = true;
    std::string worked, told;  // by the works; on the loop, which the next work does not wait for
    for (int i = 0; i < 20; i++)
        disk.run(
            [&, i] {
                if (++n_at_work != 1) alone = false;
                worked += char('a' + i);
                --n_at_work;
                if (i == 7) throw std::runtime_error("full");
            },
            [&, i](const std::string& error) {
                CHECK(error == (i == 7 ? "full" : ""));
                told += char('A' + i);
                if (i == 19)
                    disk.run([&] { worked += '!'; }, [&](const std::string&) { loop.stop(); });
            });
    CHECK(disk.n_jobs() == 20);
    loop.run();
    CHECK(disk.n_jobs() == 0);
    CHECK(alone);
    CHECK(worked == "abcdefghijklmnopqrst!");
    CHECK(told == "ABCDEFGHIJKLMNOPQRST");
}
