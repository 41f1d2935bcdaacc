#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// A number that only grows. Any thread.
class Counter {
  public:
    void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<uint64_t> value_{0};
};

/// A number that goes both ways. Any thread.
class Gauge {
  public:
    void set(double v) { value_.store(v, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

/// The CPU time of one thread, read by others: it costs that thread nothing.
class ThreadClock {
  public:
    void attach();           // to the calling thread; it should outlive the readers' interest
    double seconds() const;  // user and system; 0 before attach() and after the thread ended

  private:
    std::atomic<clockid_t> clock_{0};
    std::atomic<bool> attached_{false};
};

/// A Prometheus histogram with fixed upper bounds. Any thread.
class Histogram {
  public:
    explicit Histogram(std::vector<double> bounds);
    void observe(double value, uint64_t count = 1);
    const std::vector<double>& bounds() const { return bounds_; }
    std::vector<uint64_t> bucket_counts() const;  // not cumulative; bounds().size() + 1 entries
    double sum() const { return sum_.load(std::memory_order_relaxed); }

  private:
    std::vector<double> bounds_;
    std::vector<std::atomic<uint64_t>> counts_;
    std::atomic<double> sum_{0};
};

/// Everything /metrics shows, under vLLM's stems with the prefix "qwend:". The engine's worker
/// writes the engine part, the loop the HTTP part; render() reads all with relaxed atomics.
struct Metrics {
    Metrics();

    Gauge num_requests_running, num_requests_waiting, kv_cache_usage_perc;
    Gauge kv_blocks_total, kv_blocks_used;  // used: held by a sequence; cached blocks are free
    Gauge kv_block_size, prefix_caching;    // tokens; whether; for cache_config_info
    Counter prompt_tokens, generation_tokens, prompt_tokens_cached;
    Counter num_preemptions, prefix_cache_queries, prefix_cache_hits;  // in tokens, as in vLLM
    std::array<Counter, 4> request_success;                            // stop, length, abort, error
    Histogram time_to_first_token, inter_token_latency, e2e_request_latency;       // seconds
    Histogram request_queue_time, request_prefill_time, request_decode_time;       // seconds
    Histogram request_inference_time, request_time_per_output_token;               // seconds
    Histogram request_prompt_tokens, request_generation_tokens, iteration_tokens;  // tokens
    Histogram request_prefill_kv_computed_tokens;                                  // tokens
    Histogram request_params_max_tokens;          // tokens; of each sequence
    Histogram request_max_num_generation_tokens;  // tokens; of the longest choice of each request
    Histogram request_params_n;                   // choices of each request
    Histogram request_num_preemptions;            // of each sequence
    Counter unknown_fields;                       // request fields accepted and ignored
    ThreadClock loop_cpu, worker_cpu;             // their share of a core is the rate of these

    /// http_requests_total{route,method,status}; loop thread only.
    void count_http(std::string_view route, std::string_view method, int status);

    /// Prometheus text format 0.0.4.
    std::string render(std::string_view model_name) const;

  private:
    std::map<std::array<std::string, 3>, uint64_t> http_requests_;
};

}  // namespace qwend
