#include "tests/bench/load/lengths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace qwend::load;

namespace {

std::vector<int> draw_sorted(const Lengths& lengths, int n, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::vector<int> drawn;
    for (int i = 0; i < n; i++) drawn.push_back(lengths.draw(random));
    std::sort(drawn.begin(), drawn.end());
    return drawn;
}

double mean_of(const std::vector<int>& values) {
    double sum = 0;
    for (int value : values) sum += value;
    return sum / double(values.size());
}

}  // namespace

TEST_CASE("lengths: a fixed one is always the same") {
    const auto drawn = draw_sorted(*parse_lengths("128"), 100);
    CHECK(drawn.front() == 128);
    CHECK(drawn.back() == 128);
}

TEST_CASE("lengths: a uniform one has both of its ends, and all between them as often") {
    const auto drawn = draw_sorted(*parse_lengths("uniform:10:19"), 10000);
    CHECK(drawn.front() == 10);
    CHECK(drawn.back() == 19);
    for (int n = 10; n <= 19; n++) {
        CAPTURE(n);
        CHECK(std::abs(std::count(drawn.begin(), drawn.end(), n) - 1000) < 150);  // 5 sigma
    }
}

TEST_CASE("lengths: a lognormal one has the average and the median that were asked for") {
    const auto drawn = draw_sorted(*parse_lengths("lognormal:1000:0.6"), 40000);
    CHECK(std::abs(drawn[20000] - 600.0) < 30);  // median: average * ratio
    CHECK(std::abs(mean_of(drawn) - 1000) < 50);
    // Its logarithms are normal: one sigma above the median are 15.9% of them.
    const double one_sigma = 600 * std::exp(std::sqrt(-2 * std::log(0.6)));
    const auto above =
        std::count_if(drawn.begin(), drawn.end(), [&](int n) { return n > one_sigma; });
    CHECK(std::abs(double(above) / 40000 - 0.1587) < 0.01);
}

TEST_CASE("lengths: a lognormal one is cut at its most, and has a token at least") {
    const auto drawn = draw_sorted(*parse_lengths("lognormal:100:0.05:300"), 10000);
    CHECK(drawn.front() == 1);
    CHECK(drawn.back() == 300);
}

TEST_CASE("lengths: a seed decides them") {
    const Lengths lengths = *parse_lengths("uniform:1:100000");
    CHECK(draw_sorted(lengths, 50, 7) == draw_sorted(lengths, 50, 7));
    CHECK(draw_sorted(lengths, 50, 7) != draw_sorted(lengths, 50, 8));
}

TEST_CASE("lengths: a ratio spreads fixed ones, and only those") {
    const Lengths spread = Lengths::fixed(100).spread(0.25);
    CHECK(spread.kind == Lengths::Kind::uniform);
    CHECK(spread.least == 75);
    CHECK(spread.most == 125);
    CHECK(Lengths::fixed(1).spread(0.9).least == 1);
    CHECK(Lengths::fixed(100).spread(0).kind == Lengths::Kind::fixed);
    CHECK(Lengths::uniform(3, 5).spread(0.5).most == 5);
}

TEST_CASE("lengths: what is none is refused") {
    for (const char* text : {"",
                             "0",
                             "-1",
                             "1.5",
                             "12x",
                             "uniform",
                             "uniform:1",
                             "uniform:5:4",
                             "uniform:0:4",
                             "uniform:1:2:3",
                             "1:2",
                             "lognormal",
                             "lognormal:100",
                             "lognormal:100:0",
                             "lognormal:100:1",
                             "lognormal:0:0.5",
                             "lognormal:nan:0.5",
                             "lognormal:100:0.5:0",
                             "lognormal:100:0.5:9:9",
                             "gamma:1:2",
                             "99999999999"}) {
        CAPTURE(text);
        CHECK(!parse_lengths(text));
    }
}
