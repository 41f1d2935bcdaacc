#include "daemon/engine/step_pace.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("step pace: as many tokens as take the time, within bounds") {
    StepPace pace(0.010, 2048, 8192);
    CHECK(pace.tokens() == 2048);  // nothing is known
    pace.observe(4096, 0.008);
    CHECK(pace.tokens() == 5120);  // whole tiles
    pace.observe(100, 5);          // says nothing
    CHECK(pace.tokens() == 5120);
    for (int i = 0; i < 100; i++) pace.observe(4096, 0.001);
    CHECK(pace.tokens() == 8192);
    for (int i = 0; i < 100; i++) pace.observe(2048, 0.050);
    CHECK(pace.tokens() == 2048);  // slower than can be
}

TEST_CASE("step pace: one slow step moves it by little") {
    StepPace pace(0.010, 256, 8192);
    pace.observe(4096, 0.008);
    pace.observe(4096, 0.016);
    CHECK(pace.tokens() > 4096);
    CHECK(pace.tokens() < 5120);
}

TEST_CASE("step pace: bounds that are no whole tiles are kept") {
    StepPace pace(0.010, 64, 100);
    pace.observe(64, 1);
    CHECK(pace.tokens() == 64);
    for (int i = 0; i < 100; i++) pace.observe(64, 1e-6);
    CHECK(pace.tokens() >= 64);
    CHECK(pace.tokens() <= 100);
}
