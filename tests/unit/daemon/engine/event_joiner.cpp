#include "daemon/engine/event_joiner.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace qwend;

namespace {

TokenEvent event_of(SequenceId id, int token) {
    TokenEvent event;
    event.id = id, event.sampled.token = token;
    return event;
}

void add_step(EventJoiner& joiner, int n_streams, int token) {
    for (int id = 0; id < n_streams; id++) joiner.add(event_of(SequenceId(id), token), false);
}

}  // namespace

TEST_CASE("event joiner: two milliseconds of many streams' tokens, everything of few") {
    EventJoiner joiner;
    add_step(joiner, 64, 0);
    CHECK(joiner.take(1.0000, true).size() == 64);
    add_step(joiner, 64, 1);
    CHECK(joiner.take(1.0009, true).empty());
    add_step(joiner, 64, 2);
    CHECK(joiner.take(1.0018, true).empty());
    add_step(joiner, 64, 3);
    CHECK(joiner.take(1.0027, true).size() == 3 * 64);
    add_step(joiner, 8, 4);
    CHECK(joiner.take(1.0028, true).size() == 8);
}

TEST_CASE("event joiner: nothing is kept where no step ends soon") {
    EventJoiner joiner;
    add_step(joiner, 64, 0);
    joiner.take(1.0000, true);
    add_step(joiner, 64, 1);
    CHECK(joiner.take(1.0009, true).empty());
    CHECK(joiner.take(1.0010, false).size() == 64);
}

TEST_CASE("event joiner: what is urgent comes at once, behind what was kept of its stream") {
    EventJoiner joiner;
    add_step(joiner, 64, 0);
    joiner.take(1.0000, true);
    add_step(joiner, 64, 1);
    REQUIRE(joiner.take(1.0005, true).empty());
    for (int id = 0; id < 64; id++) joiner.add(event_of(SequenceId(id), 2), id == 7);
    const auto given = joiner.take(1.0010, true);
    REQUIRE(given.size() == 2);
    CHECK(given[0].id == 7);
    CHECK(given[0].sampled.token == 1);
    CHECK(given[1].sampled.token == 2);
    CHECK(joiner.take(1.0030, false).size() == 2 * 63);
}

TEST_CASE("event joiner: every event once, in the order of its stream, none for long") {
    std::mt19937 random(std::random_device{}());
    EventJoiner joiner;
    std::map<SequenceId, int> next, given;
    double time = 1, last_nothing_kept = 1;
    size_t n_added = 0, n_given = 0;
    for (int step = 0; step < 2000; step++) {
        const int n_streams = 1 + int(random() % 100);
        for (int i = 0; i < n_streams; i++) {
            const SequenceId id = random() % 50;
            joiner.add(event_of(id, next[id]++), random() % 40 == 0);
            n_added++;
        }
        time += 1e-5 * double(random() % 150);
        for (const TokenEvent& event : joiner.take(time, random() % 10 > 0)) {
            CHECK(event.sampled.token == given[event.id]++);
            n_given++;
        }
        if (n_given == n_added) last_nothing_kept = time;
        CHECK(time - last_nothing_kept < 0.002);
    }
    joiner.take(time, false);
}
