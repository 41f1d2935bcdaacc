#include "daemon/api/live_answers.h"

#include <doctest/doctest.h>

#include <string>

using namespace qwend;

TEST_CASE("live_answers: the first and the last are told, and nothing between") {
    LiveAnswers live;
    std::string told;
    live.listen([&](bool any) { told += any ? '1' : '0'; });
    live.listen([&](bool any) { told += any ? 'a' : 'z'; });
    CHECK(!live.any());
    live.begin();
    CHECK(live.any());
    live.begin();
    live.end();
    CHECK(told == "1a");
    live.end();
    CHECK(!live.any());
    live.begin();
    CHECK(told == "1a0z1a");
}

TEST_CASE("live_answers: whoever works in the background is asked for room") {
    LiveAnswers live;
    live.make_way();  // nobody does
    int n = 0;
    live.on_crowded([&] { n++; });
    live.make_way();
    CHECK(n == 1);
}
