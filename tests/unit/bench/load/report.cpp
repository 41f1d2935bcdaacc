#include "tests/bench/load/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <string_view>

#include "model/json_document.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/outcome.h"
#include "tests/bench/load/statistics.h"

using namespace qwend;
using namespace qwend::load;

namespace {

RunResult run_of_two() {
    RunResult run;
    run.begin = 100;
    for (double due : {100.0, 101.0}) {
        Outcome outcome;
        outcome.due = outcome.sent = due;
        outcome.first = due + 0.25;
        outcome.last = outcome.end = due + 1;
        outcome.tokens = 4;
        outcome.events = 3;
        outcome.prompt_tokens = 6;
        outcome.has_usage = true;
        outcome.gaps = {0.25f, 0.5f};
        run.outcomes.push_back(outcome);
    }
    Outcome failed;
    failed.due = failed.sent = failed.end = 100;
    failed.failure = "status 429: \"busy\"";
    run.outcomes.push_back(failed);
    return run;
}

Figures figures_of(const RunResult& run, const LoadOptions& options) {
    return compute_figures(run, options.metric_percentiles, options.goodput);
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("report: the table") {
    LoadOptions options;
    options.label = "a server";
    options.goodput.ttft = 300;
    const std::string table = render_table(figures_of(run_of_two(), options), options);
    CAPTURE(table);
    CHECK(
        contains(table, "a server: 2 requests completed, 1 failed, in 2.00 s; at most 1 at once"));
    CHECK(contains(table, "input tokens 12; output tokens 8 in 6 events, 1.33 tokens an event"));
    CHECK(contains(table, "throughput: 1.00 req/s, 4.0 tok/s output, 10.0 tok/s total"));
    CHECK(contains(table, "goodput: 1.00 req/s"));
    CHECK(contains(table, "failed, 1 of them: status 429"));
    CHECK(contains(table, "p50      p90      p95      p99"));
    CHECK(contains(table, "TTFT        250.00     0.00   250.00"));
    CHECK(!contains(table, "late by"));
    options.percentile_metrics = {"itl"};
    options.request_rate = 1;
    const std::string narrow = render_table(figures_of(run_of_two(), options), options);
    CHECK(!contains(narrow, "TTFT"));
    CHECK(contains(narrow, "ITL"));
    CHECK(contains(narrow, "late by 0.000 ms on average"));
}

TEST_CASE("report: prompts that were cached without being shared are remarked on") {
    LoadOptions options;
    RunResult run = run_of_two();
    CHECK(!contains(render_table(figures_of(run, options), options), "another --seed"));
    run.outcomes[0].cached_tokens = 6;
    const std::string table = render_table(figures_of(run, options), options);
    CHECK(contains(table, "input tokens 12 (6 cached)"));
    CHECK(contains(table, "another --seed"));
    options.turns = 2;
    CHECK(!contains(render_table(figures_of(run, options), options), "another --seed"));
}

TEST_CASE("report: JSON has vLLM's names") {
    LoadOptions options;
    options.metric_percentiles = {50, 99.9};
    options.request_rate = INFINITY;
    const RunResult run = run_of_two();
    const std::string json = render_json(figures_of(run, options), options, run);
    JsonDocument document;
    REQUIRE(!document.parse(json));
    CHECK(document.find_duplicate() == "");
    for (const char* name : {"duration",
                             "completed",
                             "failed",
                             "total_input_tokens",
                             "total_output_tokens",
                             "request_throughput",
                             "request_goodput",
                             "output_throughput",
                             "total_token_throughput",
                             "max_concurrent_requests",
                             "mean_ttft_ms",
                             "median_ttft_ms",
                             "std_ttft_ms",
                             "p50_ttft_ms",
                             "p99.9_tpot_ms",
                             "p99.9_itl_ms",
                             "p50_e2el_ms",
                             "max_lateness_ms",
                             "label",
                             "model_id",
                             "num_prompts",
                             "request_rate",
                             "burstiness"}) {
        CAPTURE(name);
        CHECK(document.root().member(name));
    }
    CHECK(document.root().member("request_goodput")->is_null());
    CHECK(document.root().member("request_rate")->is_null());
    CHECK(!document.root().member("ttfts"));
    double ttft = 0;
    CHECK(document.root().member("median_ttft_ms")->get(ttft));
    CHECK(ttft == doctest::Approx(250));
}

TEST_CASE("report: each request's own") {
    LoadOptions options;
    options.save_detailed = true;
    const RunResult run = run_of_two();
    const std::string json = render_json(figures_of(run, options), options, run);
    CHECK(contains(json, R"("input_lens":[6,6,0],"output_lens":[4,4,0],"start_times":[0,1,0])"));
    CHECK(contains(json, R"("ttfts":[0.25,0.25,null])"));
    CHECK(contains(json, R"("itls":[[0.25,0.5],[0.25,0.5],[]])"));
    CHECK(contains(json, R"("errors":["","","status 429: \"busy\""])"));
}
