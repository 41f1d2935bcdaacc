#include "model/grammar/seen.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace qwend::grammar;

TEST_CASE("seen: the first time since it forgot") {
    std::mt19937_64 random(std::random_device{}());
    Seen seen;
    for (int round = 0; round < 200; round++) {
        std::set<uint64_t> twin;
        const uint64_t range = 1 + random() % 400;
        for (int i = 0; i < 300; i++) {
            const uint64_t what = random() % range * 0x100000000u;
            CHECK(seen.add(what) == twin.insert(what).second);
        }
        seen.clear();
    }
}
