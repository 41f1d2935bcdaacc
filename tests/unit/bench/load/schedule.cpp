#include "tests/bench/load/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace qwend::load;

namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// The standard deviation of the gaps, of their mean: 1 for a Poisson process.
double spread_of_gaps(const std::vector<double>& times) {
    const double n = double(times.size()), mean = times.back() / n;
    double before = 0, squares = 0;
    for (double time : times) {
        squares += (time - before - mean) * (time - before - mean);
        before = time;
    }
    return std::sqrt(squares / n) / mean;
}

}  // namespace

TEST_CASE("schedule: as many as asked for, ascending, at the rate asked for") {
    const auto times = arrival_times(1000, 40, 1, 3);
    REQUIRE(times.size() == 1000);
    CHECK(std::is_sorted(times.begin(), times.end()));
    CHECK(times.front() > 0);
    CHECK(times.back() == doctest::Approx(25));  // 1000 / 40, whatever the seed
}

TEST_CASE("schedule: arrivals are a Poisson process") {
    const auto times = arrival_times(20000, 100, 1, 5);
    CHECK(spread_of_gaps(times) == doctest::Approx(1).epsilon(0.05));
    // A gap above the mean has the probability 1 / e.
    int longer = 0;
    for (size_t i = 1; i < times.size(); i++) longer += times[i] - times[i - 1] > 0.01;
    CHECK(longer / 20000.0 == doctest::Approx(std::exp(-1)).epsilon(0.05));
}

TEST_CASE("schedule: burstiness is the shape of the gaps' gamma distribution") {
    CHECK(spread_of_gaps(arrival_times(20000, 10, 4, 1)) == doctest::Approx(0.5).epsilon(0.05));
    CHECK(spread_of_gaps(arrival_times(20000, 10, 0.25, 1)) == doctest::Approx(2).epsilon(0.1));
    const auto even = arrival_times(4, 2, kInfinite, 1);
    for (size_t i = 0; i < even.size(); i++) CHECK(even[i] == doctest::Approx(0.5 * double(i + 1)));
}

TEST_CASE("schedule: an infinite rate is all at once") {
    CHECK(arrival_times(3, kInfinite, 1, 1) == std::vector<double>{0, 0, 0});
    CHECK(arrival_times(0, 5, 1, 1).empty());
}

TEST_CASE("schedule: a seed decides it") {
    CHECK(arrival_times(50, 5, 1, 1) == arrival_times(50, 5, 1, 1));
    CHECK(arrival_times(50, 5, 1, 1) != arrival_times(50, 5, 1, 2));
}

TEST_CASE("schedule: gaps too small for a double are no division by zero") {
    for (double time : arrival_times(3, 2, 1e-3, 1)) CHECK(std::isfinite(time));
}
