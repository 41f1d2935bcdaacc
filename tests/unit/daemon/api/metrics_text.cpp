// What /metrics says: Prometheus' text, byte by byte as dashboards know it.

#include "daemon/api/metrics_text.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <sstream>

#include "model/file.h"

using namespace qwend;

namespace {

/// Gives everything a value of its own.
void fill(EngineMetrics& m) {
    double n = 0;
    for (Gauge* gauge :
         {&m.num_requests_running, &m.num_requests_waiting, &m.kv_cache_usage_perc,
          &m.kv_blocks_total, &m.kv_blocks_used, &m.kv_block_size, &m.prefix_caching})
        gauge->set(n += 1.5);
    uint64_t count = 100;
    for (Counter* counter : {&m.prompt_tokens, &m.generation_tokens, &m.prompt_tokens_cached,
                             &m.num_preemptions, &m.prefix_cache_queries, &m.prefix_cache_hits})
        counter->add(count++);
    for (Counter& counter : m.request_success) counter.add(count++);
    count++;
    for (Histogram* histogram :
         {&m.time_to_first_token, &m.inter_token_latency, &m.e2e_request_latency,
          &m.request_queue_time, &m.request_prefill_time, &m.request_decode_time,
          &m.request_inference_time, &m.request_time_per_output_token, &m.request_prompt_tokens,
          &m.request_generation_tokens, &m.iteration_tokens, &m.request_prefill_kv_computed_tokens,
          &m.request_params_max_tokens, &m.request_max_num_generation_tokens, &m.request_params_n,
          &m.request_num_preemptions})
        histogram->observe(n += 1.5, count++);
}

}  // namespace

TEST_CASE("metrics_text: every byte, order included") {
    EngineMetrics metrics;
    LoopMetrics loop;
    fill(metrics);
    loop.unknown_fields.add(110);
    loop.count_http("/v1/completions", "POST", 200);
    loop.count_http("/health", "GET", 503);
    loop.count_http("/health", "GET", 503);
    loop.count_http("other", "other", 404);
    const std::vector<ModelMetrics> models = {{"a\"b\\c", metrics}};
    const std::string text = render_metrics(loop, models);
    // The rest says what this build and this process are.
    CHECK(text.substr(0, text.find("# HELP qwend:build_info")) ==
          read_file("tests/golden/metrics.txt"));
}

TEST_CASE("metrics_text: every family once, with a sample of every model") {
    EngineMetrics one, two, loading;
    fill(one), fill(two);
    const std::vector<ModelMetrics> models = {{"1", one}, {"2", two}, {"3", loading}};
    std::istringstream lines(render_metrics({}, models));
    std::set<std::string> families;
    std::map<std::string, std::map<std::string, int>> counts;  // of the models in each family
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK(families.insert(family).second);
        } else if (const size_t at = line.find("{model_name=\""); at != std::string::npos) {
            CHECK(line.starts_with(family));
            counts[family][line.substr(at + 13, 1)]++;
        }
    }
    const std::set<std::string> of_the_loop = {
        "qwend:unknown_request_fields_total", "qwend:log_lines_dropped_total",
        "qwend:loop_cpu_seconds_total", "qwend:http_requests_total", "qwend:build_info"};
    for (auto& [name, count] : counts) {
        CAPTURE(name);
        if (of_the_loop.contains(name)) {
            CHECK(count.size() == 1);
            continue;
        }
        CHECK(count["1"] > 0);
        CHECK(count["2"] == count["1"]);
        CHECK(count["3"] == (name == "qwend:cache_config_info" ? 0 : count["1"]));
    }
    CHECK(counts.size() > 30);
}

TEST_CASE("metrics_text: valid exposition text, each family once, labels escaped") {
    EngineMetrics metrics;
    LoopMetrics loop;
    metrics.generation_tokens.add(5);
    metrics.kv_block_size.set(16), metrics.kv_blocks_total.set(64), metrics.prefix_caching.set(1);
    loop.count_http("/health", "GET", 200);
    metrics.time_to_first_token.observe(0.003);
    const std::vector<ModelMetrics> models = {{"a\"b\\c", metrics}};
    std::istringstream lines(render_metrics(loop, models));
    std::set<std::string> families;
    std::map<std::string, double> samples;
    std::string family;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK(families.insert(family).second);
        } else if (line.starts_with("# TYPE ")) {
            CHECK(line.substr(7, family.size() + 1) == family + " ");
        } else {
            CHECK(line.starts_with(family));
            const size_t space = line.rfind(' ');
            samples[line.substr(0, space)] = std::stod(line.substr(space + 1));
        }
    }
    const std::string model = R"(model_name="a\"b\\c")";
    CHECK(samples.at("qwend:generation_tokens_total{" + model + "}") == 5);
    CHECK(samples.at("qwend:http_requests_total{" + model +
                     R"(,route="/health",method="GET",status="200"})") == 1);
    CHECK(samples.at("qwend:time_to_first_token_seconds_bucket{" + model + R"(,le="0.0025"})") ==
          0);
    CHECK(samples.at("qwend:time_to_first_token_seconds_bucket{" + model + R"(,le="0.005"})") == 1);
    CHECK(samples.at("qwend:time_to_first_token_seconds_bucket{" + model + R"(,le="+Inf"})") == 1);
    for (const char* name :
         {"request_max_num_generation_tokens", "request_params_n", "request_params_max_tokens",
          "request_inference_time_seconds", "request_num_preemptions",
          "request_time_per_output_token_seconds", "request_prefill_kv_computed_tokens"})
        CHECK(samples.contains("qwend:" + std::string(name) + "_count{" + model + "}"));
    CHECK(samples.at("qwend:cache_config_info{" + model +
                     R"(,block_size="16",num_gpu_blocks="64",enable_prefix_caching="True"})") == 1);
    for (const char* name : {"process_open_fds", "process_cpu_seconds_total",
                             "process_resident_memory_bytes", "process_start_time_seconds"})
        CHECK(samples.at(name) > 0);
    CHECK(samples.at("qwend:loop_cpu_seconds_total{" + model + "}") == 0);  // no loop here
    CHECK(samples.at("qwend:worker_cpu_seconds_total{" + model + "}") == 0);
}
