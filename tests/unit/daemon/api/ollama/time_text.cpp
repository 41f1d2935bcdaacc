// Times and durations as Go writes them.

#include "daemon/api/ollama/time_text.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("ollama_time_text: RFC 3339 with nanoseconds") {
    CHECK(rfc3339(0) == "1970-01-01T00:00:00.000000000Z");
    CHECK(rfc3339(951'782'400'000'000'007) == "2000-02-29T00:00:00.000000007Z");
    const int64_t now = unix_nanoseconds();
    CHECK(now > 1'700'000'000'000'000'000);
    CHECK(rfc3339(now).size() == 30);
}

TEST_CASE("ollama_time_text: durations") {
    CHECK(parse_duration("5m") == 300);
    CHECK(parse_duration("-1s") == -1);
    CHECK(parse_duration("+1h30m") == 5400);
    CHECK(parse_duration("1.5h") == 5400);
    CHECK(parse_duration(".5s") == 0.5);
    CHECK(parse_duration("2.ms") == 0.002);
    CHECK(*parse_duration("1ns1us1\u00B5s1\u03BCs") == doctest::Approx(3.001e-6));
    CHECK(parse_duration("0") == 0);
    CHECK(parse_duration("-0") == 0);
    CHECK(parse_duration("24h") == 86400);
    for (const char* none : {"", "-", "5", "m", "5 m", "5m ", "1d", "infs", "nans", "0x1s", "1e3s",
                             "5m-3s", "--1s", ".s", "1.2.3s"}) {
        CAPTURE(none);
        CHECK_FALSE(parse_duration(none));
    }
}
