#include "tests/bench/load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/json_writer.h"

namespace qwend::load {

namespace {

constexpr double kBusy =
    0.7;  // of a core; from here on the generator itself may be what is measured
constexpr int kMostFailures = 5;

struct Metric {
    const char *name, *title;
    const Summary& summary;
};

std::array<Metric, 4> metrics_of(const Figures& figures) {
    return {{{"ttft", "TTFT", figures.ttft},
             {"tpot", "TPOT", figures.tpot},
             {"itl", "ITL", figures.itl},
             {"e2el", "E2EL", figures.e2el}}};
}

bool is_shown(const LoadOptions& options, std::string_view name) {
    const auto& shown = options.percentile_metrics;
    return std::find(shown.begin(), shown.end(), name) != shown.end();
}

/// "p99", "p99.9"
std::string percentile_name(double p) {
    return fmt::format("p{:g}", p);
}

std::string counts_text(const Figures& f) {
    std::string out =
        fmt::format("{} requests completed, {} failed, in {:.2f} s; at most {} at once\n",
                    f.completed, f.failed, f.duration, f.max_concurrent_requests);
    out +=
        fmt::format("input tokens {}{}; output tokens {} in {} events, {:.2f} tokens an event\n",
                    f.total_input_tokens,
                    f.total_cached_tokens ? fmt::format(" ({} cached)", f.total_cached_tokens) : "",
                    f.total_output_tokens, f.output_events,
                    f.output_events ? double(f.total_output_tokens) / double(f.output_events) : 0);
    if (f.without_usage)
        out += fmt::format("of {} requests the server gave no usage: their tokens are events\n",
                           f.without_usage);
    return out;
}

/// A load that shares nothing finds in a prefix cache only what the same load has left there; chats
/// share what their template puts before them.
std::string cache_note(const Figures& f, const LoadOptions& options) {
    constexpr double kNoticed = 0.02;
    const bool shares = options.prefix_len > 0 || options.turns > 1 || options.api == Api::chat;
    if (shares) return "";
    if (double(f.total_cached_tokens) <= kNoticed * double(f.total_input_tokens)) return "";
    return "note: the server had these prompts cached; another --seed has others\n";
}

std::string rates_text(const Figures& f) {
    std::string out =
        fmt::format("throughput: {:.2f} req/s, {:.1f} tok/s output, {:.1f} tok/s total\n",
                    f.request_throughput, f.output_throughput, f.total_token_throughput);
    if (f.request_goodput) out += fmt::format("goodput: {:.2f} req/s\n", *f.request_goodput);
    return out;
}

std::string generator_text(const Figures& f, const LoadOptions& options) {
    std::string out = fmt::format("generator: {:.2f} of a core, {:.2f} us of CPU a token",
                                  f.generator_cpu, f.generator_cpu_us_per_token);
    if (options.is_open_loop())
        out += fmt::format("; late by {:.3f} ms on average, {:.3f} ms at most", f.lateness.mean,
                           f.max_lateness);
    out += '\n';
    if (f.generator_cpu > kBusy)
        out += "note: the generator was busy; what it measured may be itself\n";
    return out;
}

std::string failures_text(const Figures& f) {
    std::vector<std::pair<int, std::string_view>> most;
    for (const auto& [reason, n] : f.failures) most.emplace_back(n, reason);
    std::sort(most.rbegin(), most.rend());
    std::string out;
    for (size_t i = 0; i < std::min<size_t>(most.size(), kMostFailures); i++)
        out += fmt::format("failed, {} of them: {}\n", most[i].first, most[i].second);
    return out;
}

void add_summary(JsonWriter& json, std::string_view name, const Summary& summary,
                 const LoadOptions& options) {
    json.key(fmt::format("mean_{}_ms", name)).number(summary.mean);
    json.key(fmt::format("median_{}_ms", name)).number(summary.median);
    json.key(fmt::format("std_{}_ms", name)).number(summary.std);
    for (size_t i = 0; i < options.metric_percentiles.size(); i++)
        json.key(fmt::format("{}_{}_ms", percentile_name(options.metric_percentiles[i]), name))
            .number(summary.percentiles[i]);
}

void add_load(JsonWriter& json, const LoadOptions& options) {
    json.key("label").string(options.label);
    json.key("model_id").string(options.model);
    json.key("endpoint").string(options.path());
    json.key("num_prompts").integer(options.num_prompts);
    json.key("turns").integer(options.turns);
    json.key("seed").integer(int64_t(options.seed));
    if (options.is_open_loop()) {
        json.key("request_rate").number(options.request_rate);  // infinite: null
        json.key("burstiness").number(options.burstiness);
    } else {
        json.key("max_concurrency").integer(options.max_concurrency);
    }
}

void add_figures(JsonWriter& json, const Figures& f) {
    json.key("duration").number(f.duration);
    json.key("completed").integer(f.completed).key("failed").integer(f.failed);
    json.key("total_input_tokens").integer(f.total_input_tokens);
    json.key("total_cached_tokens").integer(f.total_cached_tokens);
    json.key("total_output_tokens").integer(f.total_output_tokens);
    json.key("output_events").integer(f.output_events);
    json.key("requests_without_usage").integer(f.without_usage);
    json.key("request_throughput").number(f.request_throughput);
    json.key("request_goodput");
    f.request_goodput ? json.number(*f.request_goodput) : json.null();
    json.key("output_throughput").number(f.output_throughput);
    json.key("total_token_throughput").number(f.total_token_throughput);
    json.key("max_concurrent_requests").integer(f.max_concurrent_requests);
    json.key("generator_cpu_cores").number(f.generator_cpu);
    json.key("generator_cpu_us_per_token").number(f.generator_cpu_us_per_token);
    json.key("max_lateness_ms").number(f.max_lateness);
}

/// An array with one value of each request, in the order in which they ended.
template <class Value>
void add_each(JsonWriter& json, std::string_view name, const RunResult& run, Value&& value) {
    json.key(name).begin_array();
    for (const Outcome& outcome : run.outcomes) value(outcome);
    json.end_array();
}

/// As --save-detailed of vLLM's; in seconds, as there.
void add_details(JsonWriter& json, const RunResult& run) {
    add_each(json, "input_lens", run, [&](const Outcome& o) { json.integer(o.prompt_tokens); });
    add_each(json, "output_lens", run, [&](const Outcome& o) { json.integer(o.tokens); });
    add_each(json, "start_times", run, [&](const Outcome& o) { json.number(o.due - run.begin); });
    add_each(json, "ttfts", run,
             [&](const Outcome& o) { o.events ? json.number(o.ttft()) : json.null(); });
    add_each(json, "latencies", run,
             [&](const Outcome& o) { o.events ? json.number(o.e2el()) : json.null(); });
    add_each(json, "itls", run, [&](const Outcome& o) {
        json.begin_array();
        for (float gap : o.gaps) json.number(double(gap));
        json.end_array();
    });
    add_each(json, "errors", run, [&](const Outcome& o) { json.string(o.failure); });
}

}  // namespace

std::string render_table(const Figures& figures, const LoadOptions& options) {
    std::string out = options.label.empty() ? "" : options.label + ": ";
    out += counts_text(figures) + cache_note(figures, options) + rates_text(figures) +
           generator_text(figures, options) + failures_text(figures);
    out += fmt::format("{:9}{:>9}{:>9}", "ms", "mean", "std");
    for (double p : options.metric_percentiles) out += fmt::format("{:>9}", percentile_name(p));
    for (const Metric& metric : metrics_of(figures)) {
        if (!is_shown(options, metric.name)) continue;
        out += fmt::format("\n{:9}{:9.2f}{:9.2f}", metric.title, metric.summary.mean,
                           metric.summary.std);
        for (double value : metric.summary.percentiles) out += fmt::format("{:9.2f}", value);
    }
    return out + '\n';
}

std::string render_json(const Figures& figures, const LoadOptions& options, const RunResult& run) {
    JsonWriter json;
    json.begin_object();
    add_load(json, options);
    add_figures(json, figures);
    for (const Metric& metric : metrics_of(figures))
        add_summary(json, metric.name, metric.summary, options);
    add_summary(json, "lateness", figures.lateness, options);
    if (options.save_detailed) add_details(json, run);
    json.end_object();
    return json.take() + '\n';
}

}  // namespace qwend::load
