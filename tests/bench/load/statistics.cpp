#include "tests/bench/load/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace qwend::load {

namespace {

constexpr double kMs = 1000;  // in a second

/// The most requests that were under way at once; one that ends where another begins is over then.
int peak_concurrency(const std::vector<Outcome>& outcomes) {
    std::vector<std::pair<double, int>> changes;
    for (const Outcome& outcome : outcomes) {
        if (!outcome.failure.empty()) continue;
        changes.emplace_back(outcome.sent, 1);
        changes.emplace_back(outcome.end, -1);
    }
    std::sort(changes.begin(), changes.end());
    int now = 0, peak = 0;
    for (const auto& [time, change] : changes) peak = std::max(peak, now += change);
    return peak;
}

struct Samples {
    std::vector<double> ttft, tpot, itl, e2el, lateness;
};

void add_success(const Outcome& outcome, Figures& figures, Samples& samples) {
    figures.completed++;
    figures.total_input_tokens += outcome.prompt_tokens;
    figures.total_cached_tokens += outcome.cached_tokens;
    figures.total_output_tokens += outcome.tokens;
    figures.output_events += outcome.events;
    figures.without_usage += !outcome.has_usage;
    samples.ttft.push_back(outcome.ttft() * kMs);
    samples.e2el.push_back(outcome.e2el() * kMs);
    if (outcome.tokens > 1) samples.tpot.push_back(outcome.tpot() * kMs);
    for (float gap : outcome.gaps) samples.itl.push_back(double(gap) * kMs);
}

void add_failure(const std::string& reason, int n, Figures& figures) {
    figures.failed += n;
    figures.failures[reason] += n;
}

}  // namespace

double percentile(const std::vector<double>& sorted, double p) {
    if (sorted.empty()) return 0;
    const double at = std::clamp(p, 0.0, 100.0) / 100 * double(sorted.size() - 1);
    const size_t below = size_t(at), above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (at - double(below));
}

Summary summarize(std::vector<double> values, const std::vector<double>& percentiles) {
    std::sort(values.begin(), values.end());
    Summary summary;
    for (double p : percentiles) summary.percentiles.push_back(percentile(values, p));
    summary.median = percentile(values, 50);
    if (values.empty()) return summary;
    const double n = double(values.size());
    summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double squares = 0;
    for (double value : values) squares += (value - summary.mean) * (value - summary.mean);
    summary.std = std::sqrt(squares / n);
    return summary;
}

bool Goodput::is_met_by(const Outcome& outcome) const {
    return (!ttft || outcome.ttft() * kMs <= *ttft) && (!tpot || outcome.tpot() * kMs <= *tpot) &&
           (!e2el || outcome.e2el() * kMs <= *e2el);
}

Figures compute_figures(const RunResult& run, const std::vector<double>& percentiles,
                        const Goodput& goodput) {
    Figures figures;
    Samples samples;
    int n_good = 0;
    double end = run.begin;
    for (const Outcome& outcome : run.outcomes) {
        end = std::max(end, outcome.end);
        samples.lateness.push_back((outcome.sent - outcome.due) * kMs);
        figures.max_lateness = std::max(figures.max_lateness, samples.lateness.back());
        if (!outcome.failure.empty()) {
            add_failure(outcome.failure, 1, figures);
            continue;
        }
        add_success(outcome, figures, samples);
        n_good += goodput.is_met_by(outcome);
    }
    if (run.n_unsent > 0) add_failure("not begun, or not over in time", run.n_unsent, figures);
    figures.max_concurrent_requests = peak_concurrency(run.outcomes);
    figures.duration = end - run.begin;
    const auto per_second = [&](double n) {
        return figures.duration > 0 ? n / figures.duration : 0;
    };
    figures.request_throughput = per_second(figures.completed);
    figures.output_throughput = per_second(double(figures.total_output_tokens));
    figures.total_token_throughput =
        per_second(double(figures.total_input_tokens + figures.total_output_tokens));
    if (goodput.is_asked()) figures.request_goodput = per_second(n_good);
    figures.generator_cpu = per_second(run.cpu_seconds);
    if (figures.total_output_tokens > 0)
        figures.generator_cpu_us_per_token =
            run.cpu_seconds * 1e6 / double(figures.total_output_tokens);
    figures.ttft = summarize(std::move(samples.ttft), percentiles);
    figures.tpot = summarize(std::move(samples.tpot), percentiles);
    figures.itl = summarize(std::move(samples.itl), percentiles);
    figures.e2el = summarize(std::move(samples.e2el), percentiles);
    figures.lateness = summarize(std::move(samples.lateness), percentiles);
    return figures;
}

}  // namespace qwend::load
