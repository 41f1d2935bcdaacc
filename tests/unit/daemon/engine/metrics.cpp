#include "daemon/engine/metrics.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <thread>

using namespace qwend;

TEST_CASE("metrics: histograms count into the right bucket") {
    Histogram histogram({1, 2, 5});
    for (double v : {0.5, 1.0, 1.5, 5.0, 6.0}) histogram.observe(v);
    histogram.observe(2, 3);
    CHECK(histogram.bucket_counts() == std::vector<uint64_t>{2, 4, 1, 1});
    CHECK(histogram.sum() == doctest::Approx(20));
}

TEST_CASE("metrics: valid exposition text, each family once, labels escaped") {
    Metrics metrics;
    metrics.generation_tokens.add(5);
    metrics.kv_block_size.set(16), metrics.kv_blocks_total.set(64), metrics.prefix_caching.set(1);
    metrics.count_http("/health", "GET", 200);
    metrics.time_to_first_token.observe(0.003);
    std::istringstream lines(metrics.render("a\"b\\c"));
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

TEST_CASE("metrics: a thread's clock counts its own work only, and ends with it") {
    ThreadClock busy, lazy;
    std::atomic<bool> done{false}, seen{false};
    std::thread sleeper([&] {
        lazy.attach();
        while (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    std::thread worker([&] {
        busy.attach();
        while (busy.seconds() < 0.05) {
        }
        done = true;
        while (!seen) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(busy.seconds() >= 0.05);
    CHECK(lazy.seconds() < busy.seconds() / 2);
    seen = true;
    worker.join(), sleeper.join();
    CHECK(busy.seconds() == 0);
}
