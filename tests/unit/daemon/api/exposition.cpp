// Prometheus' text format, line by line.

#include "daemon/api/exposition.h"

#include <doctest/doctest.h>

#include <iterator>

using namespace qwend;

TEST_CASE("exposition: what may not stand in a label is escaped") {
    CHECK(escape_label("") == "");
    CHECK(escape_label("a\"b\\c\nd'é") == "a\\\"b\\\\c\\nd'é");
}

TEST_CASE("exposition: a family once, and a sample of every model") {
    EngineMetrics one, two;
    one.num_requests_running.set(1.5), two.num_requests_running.set(2);
    one.generation_tokens.add(3), two.generation_tokens.add(uint64_t(1) << 40);
    const std::vector<ModelMetrics> models = {{"o\"ne", one}, {"two", two}};
    Exposition out(models);
    out.gauge("g", "A gauge.", &EngineMetrics::num_requests_running);
    out.counter("c", "A counter.", &EngineMetrics::generation_tokens);
    CHECK(out.take() ==
          "# HELP g A gauge.\n# TYPE g gauge\n"
          "g{model_name=\"o\\\"ne\"} 1.5\ng{model_name=\"two\"} 2\n"
          "# HELP c A counter.\n# TYPE c counter\n"
          "c{model_name=\"o\\\"ne\"} 3\nc{model_name=\"two\"} 1099511627776\n");
    out.sample("s", "a=\"1\",b=\"2\"", 0.25, 1);
    out.sample("s", "", 4);
    out.plain("p", "untyped", "Nobody's.", 5);
    CHECK(out.take() ==
          "s{model_name=\"two\",a=\"1\",b=\"2\"} 0.25\ns{model_name=\"o\\\"ne\"} 4\n"
          "# HELP p Nobody's.\n# TYPE p untyped\np 5\n");
}

TEST_CASE("exposition: a histogram's buckets are cumulative, and the last has all") {
    EngineMetrics metrics;
    Histogram& histogram = metrics.request_params_n;
    const auto bounds = histogram.bounds();
    REQUIRE(std::size(bounds) > 1);
    histogram.observe(bounds[0]), histogram.observe(bounds[1]), histogram.observe(bounds[1]);
    histogram.observe(1e9);
    const std::vector<ModelMetrics> models = {{"m", metrics}};
    Exposition out(models);
    out.histogram("h", "N.", &EngineMetrics::request_params_n);
    const std::string text = out.take();
    CAPTURE(text);
    const auto has = [&](const std::string& line) {
        return text.find("\n" + line + "\n") != std::string::npos;
    };
    CHECK(text.starts_with(
        "# HELP h N.\n# TYPE h histogram\nh_bucket{model_name=\"m\",le=\"1\"} 1\n"));
    CHECK(has("h_bucket{model_name=\"m\",le=\"2\"} 3"));
    CHECK(has("h_bucket{model_name=\"m\",le=\"+Inf\"} 4"));
    CHECK(has("h_sum{model_name=\"m\"} 1000000005"));
    CHECK(text.ends_with("\nh_count{model_name=\"m\"} 4\n"));
}
