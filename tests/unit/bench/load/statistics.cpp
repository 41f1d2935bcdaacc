// Expected values are numpy's: percentile(), mean(), std() and median() of the same samples.

#include "tests/bench/load/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace qwend::load;

namespace {

/// Of a request that was due at `due` and had its first token `ttft` and its last `e2el` after
/// that.
Outcome outcome_of(double due, double ttft, double e2el, int tokens) {
    Outcome outcome;
    outcome.due = outcome.sent = due;
    outcome.first = due + ttft;
    outcome.last = outcome.end = due + e2el;
    outcome.tokens = outcome.events = tokens;
    outcome.prompt_tokens = 10;
    outcome.has_usage = true;
    for (int i = 1; i < tokens; i++) outcome.gaps.push_back(float((e2el - ttft) / (tokens - 1)));
    return outcome;
}

Outcome failure_of(std::string why) {
    Outcome outcome;
    outcome.failure = std::move(why);
    return outcome;
}

const std::vector<double> kPercentiles = {50, 90, 95, 99};

}  // namespace

TEST_CASE("statistics: percentiles are linear between neighbours") {
    const std::vector<double> sorted = {1, 2, 4, 8};
    CHECK(percentile(sorted, 0) == 1);
    CHECK(percentile(sorted, 50) == 3);
    CHECK(percentile(sorted, 90) == doctest::Approx(6.8));
    CHECK(percentile(sorted, 95) == doctest::Approx(7.4));
    CHECK(percentile(sorted, 99) == doctest::Approx(7.88));
    CHECK(percentile(sorted, 100) == 8);
    CHECK(percentile({5}, 99) == 5);
    CHECK(percentile({}, 50) == 0);
}

TEST_CASE("statistics: a percentile has as many samples below it as it says") {
    std::vector<double> values;
    for (int i = 0; i <= 1000; i++) values.push_back(i);
    for (double p : {0.0, 12.5, 50.0, 90.0, 99.9, 100.0})
        CHECK(percentile(values, p) == doctest::Approx(p * 10));
}

TEST_CASE("statistics: a summary needs no order") {
    std::vector<double> values;
    for (int i = 1; i <= 100; i++) values.push_back(i);
    std::shuffle(values.begin(), values.end(), std::mt19937(1));
    const Summary summary = summarize(values, kPercentiles);
    CHECK(summary.mean == 50.5);
    CHECK(summary.median == 50.5);
    CHECK(summary.std == doctest::Approx(28.86607));
    const std::vector<double> expected = {50.5, 90.1, 95.05, 99.01};
    for (size_t i = 0; i < expected.size(); i++)
        CHECK(summary.percentiles[i] == doctest::Approx(expected[i]));
}

TEST_CASE("statistics: a summary of nothing is zero") {
    const Summary summary = summarize({}, kPercentiles);
    CHECK(summary.mean == 0);
    CHECK(summary.std == 0);
    CHECK(summary.percentiles == std::vector<double>{0, 0, 0, 0});
}

TEST_CASE("statistics: latencies are counted from when a request was due") {
    Outcome outcome = outcome_of(100, 0.2, 1.1, 10);
    outcome.sent = 100.05;
    CHECK(outcome.ttft() == doctest::Approx(0.2));
    CHECK(outcome.e2el() == doctest::Approx(1.1));
    CHECK(outcome.tpot() == doctest::Approx(0.1));  // (1.1 - 0.2) / (10 - 1)
    const Figures figures = compute_figures({.outcomes = {outcome}, .begin = 100}, {50}, {});
    CHECK(figures.ttft.median == doctest::Approx(200));
    CHECK(figures.lateness.mean == doctest::Approx(50));
    CHECK(figures.max_lateness == doctest::Approx(50));
}

TEST_CASE("statistics: an answer of one token has no time per output token") {
    const Outcome one = outcome_of(0, 0.5, 0.5, 1), two = outcome_of(0, 0.5, 0.6, 2);
    CHECK(one.tpot() == 0);
    const Figures figures = compute_figures({.outcomes = {one, two}}, kPercentiles, {});
    CHECK(figures.tpot.mean == doctest::Approx(100));
    CHECK(figures.itl.mean == doctest::Approx(100));
}

TEST_CASE("statistics: time per output token counts tokens, inter-token latency events") {
    Outcome bundled = outcome_of(0, 0.1, 0.5, 9);
    bundled.events = 3;  // nine tokens in three events
    bundled.gaps = {0.2f, 0.2f};
    const Figures figures = compute_figures({.outcomes = {bundled}}, kPercentiles, {});
    CHECK(figures.tpot.mean == doctest::Approx(50));
    CHECK(figures.itl.mean == doctest::Approx(200));
    CHECK(figures.total_output_tokens == 9);
    CHECK(figures.output_events == 3);
}

TEST_CASE("statistics: throughput is over the whole run") {
    RunResult run;
    run.begin = 10;
    run.outcomes = {outcome_of(10, 0.1, 2, 20), outcome_of(12, 0.1, 2, 20)};
    run.cpu_seconds = 0.4;
    const Figures figures = compute_figures(run, kPercentiles, {});
    CHECK(figures.duration == 4);
    CHECK(figures.request_throughput == 0.5);
    CHECK(figures.output_throughput == 10);
    CHECK(figures.total_token_throughput == 15);
    CHECK(!figures.request_goodput);
    CHECK(figures.generator_cpu == doctest::Approx(0.1));
    CHECK(figures.generator_cpu_us_per_token == doctest::Approx(10000));
}

TEST_CASE("statistics: failures count apart, and what was not begun with them") {
    RunResult run;
    run.outcomes = {outcome_of(0, 0.1, 1, 5), failure_of("a"), failure_of("b"), failure_of("a")};
    run.n_unsent = 2;
    const Figures figures = compute_figures(run, kPercentiles, {});
    CHECK(figures.completed == 1);
    CHECK(figures.failed == 5);
    CHECK(figures.failures.at("a") == 2);
    CHECK(figures.failures.at("b") == 1);
    CHECK(figures.failures.size() == 3);
    CHECK(figures.total_output_tokens == 5);
    CHECK(figures.ttft.mean == doctest::Approx(100));
}

TEST_CASE("statistics: a good request keeps every objective that is set") {
    const Outcome outcome = outcome_of(0, 0.2, 1.1, 10);  // ttft 200, tpot 100, e2el 1100
    CHECK(Goodput{.ttft = 201, .tpot = 101, .e2el = 1101}.is_met_by(outcome));
    CHECK(!Goodput{.ttft = 199, .tpot = 101, .e2el = 1101}.is_met_by(outcome));
    CHECK(!Goodput{.ttft = 201, .tpot = 99, .e2el = 1101}.is_met_by(outcome));
    CHECK(!Goodput{.ttft = 201, .tpot = 101, .e2el = 1099}.is_met_by(outcome));
    CHECK(Goodput{.ttft = 201}.is_met_by(outcome));
    CHECK(Goodput{.tpot = 0}.is_met_by(outcome_of(0, 0.2, 0.2, 1)));  // one token: as vLLM has it
}

TEST_CASE("statistics: goodput is a rate of good requests") {
    RunResult run;
    run.outcomes = {outcome_of(0, 0.1, 2, 5), outcome_of(0, 0.3, 2, 5), failure_of("x")};
    const Figures figures = compute_figures(run, kPercentiles, {.ttft = 200});
    REQUIRE(figures.request_goodput);
    CHECK(*figures.request_goodput == 0.5);
}

TEST_CASE("statistics: the most requests at once") {
    RunResult run;
    run.outcomes = {outcome_of(0, 0.1, 2, 5), outcome_of(1, 0.1, 2, 5), outcome_of(2, 0.1, 1, 5),
                    outcome_of(1.5, 0.1, 0.2, 5), failure_of("x")};
    CHECK(compute_figures(run, {}, {}).max_concurrent_requests == 3);
    run.outcomes = {outcome_of(0, 0.5, 1, 5), outcome_of(1, 0.5, 1, 5)};  // one ends, one begins
    CHECK(compute_figures(run, {}, {}).max_concurrent_requests == 1);
}
