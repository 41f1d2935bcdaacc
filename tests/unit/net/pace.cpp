#include "net/pace.h"

#include <doctest/doctest.h>

#include <random>

using namespace qwend;

TEST_CASE("pace: a pause of the patience ends it, and so does a trickle") {
    Pace pace(10, 100);
    pace.start(50, 1000);
    CHECK(pace.deadline() == 60);
    pace.advance(55, 1000);  // nothing moved
    CHECK(pace.deadline() == 60);
    pace.advance(55, 1001);
    CHECK(pace.deadline() == doctest::Approx(60.01));
    pace.advance(56, 101000);  // a thousand seconds' worth
    CHECK(pace.deadline() == 66);
    pace.advance(57, 5);  // counts do not fall
    CHECK(pace.deadline() == 66);
}

TEST_CASE("pace: who keeps the rate is never late, who does not is in the end") {
    std::mt19937 random(std::random_device{}());
    for (double rate : {90.0, 110.0}) {
        Pace pace(10, 100);
        pace.start(0, 0);
        double now = 0;
        int64_t n = 0;
        bool late = false;
        for (int i = 0; i < 1000 && !late; i++) {
            now += 1 + double(random() % 3);
            n = int64_t(rate * now);
            late = now > pace.deadline();
            pace.advance(now, n);
        }
        CHECK(late == (rate < 100));
    }
}
