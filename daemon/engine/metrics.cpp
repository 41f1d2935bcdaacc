#include "daemon/engine/metrics.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "daemon/log.h"
#include "daemon/version.h"

namespace qwend {

namespace {

const std::vector<double> kLatencyBounds = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                            0.025,   0.05,   0.1,   0.25,   0.5,   1,
                                            2.5,     5,      10,    30,     60,    120};
const std::vector<double> kTokenBounds = {1,   2,    5,    10,   20,    50,    100,   200,
                                          500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

std::string escape_label(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

/// Writes families of the text format, every sample with the model's name.
class Exposition {
  public:
    explicit Exposition(std::string_view model_name) : model_(escape_label(model_name)) {}

    void family(std::string_view name, std::string_view type, std::string_view help) {
        fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                       type);
    }
    void sample(std::string_view name, std::string_view labels, double value) {
        fmt::format_to(std::back_inserter(out_), "{}{{model_name=\"{}\"{}{}}} {}\n", name, model_,
                       labels.empty() ? "" : ",", labels, value);
    }
    void plain(std::string_view name, std::string_view type, std::string_view help, double value) {
        family(name, type, help);
        fmt::format_to(std::back_inserter(out_), "{} {}\n", name, value);
    }
    void gauge(std::string_view name, std::string_view help, const Gauge& gauge) {
        family(name, "gauge", help);
        sample(name, "", gauge.value());
    }
    void counter(std::string_view name, std::string_view help, const Counter& counter) {
        family(name, "counter", help);
        sample(name, "", double(counter.value()));
    }
    void histogram(std::string_view name, std::string_view help, const Histogram& histogram) {
        family(name, "histogram", help);
        const auto counts = histogram.bucket_counts();
        uint64_t cumulative = 0;
        for (size_t i = 0; i < counts.size(); i++) {
            cumulative += counts[i];
            const std::string bound =
                i < histogram.bounds().size() ? fmt::format("{}", histogram.bounds()[i]) : "+Inf";
            sample(fmt::format("{}_bucket", name), fmt::format("le=\"{}\"", bound),
                   double(cumulative));
        }
        sample(fmt::format("{}_sum", name), "", histogram.sum());
        sample(fmt::format("{}_count", name), "", double(cumulative));
    }
    std::string take() { return std::move(out_); }

  private:
    std::string model_, out_;
};

int count_open_files() {
    std::error_code ignored;
    const auto files = std::filesystem::directory_iterator("/proc/self/fd", ignored);
    return int(std::distance(begin(files), end(files)));
}

size_t resident_bytes() {
    size_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * size_t(sysconf(_SC_PAGESIZE));
}

/// Unix time this process began, as the Prometheus client libraries define it.
double start_time() {
    static const double start = double(std::time(nullptr));
    return start;
}

void render_process(Exposition& out) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
    out.plain("process_cpu_seconds_total", "counter", "User and system CPU time in seconds.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
    out.plain("process_resident_memory_bytes", "gauge", "Resident memory in bytes.",
              double(resident_bytes()));
    out.plain("process_open_fds", "gauge", "Open file descriptors.", count_open_files());
    out.plain("process_start_time_seconds", "gauge", "Start of the process, Unix time.",
              start_time());
}

void render_pool(Exposition& out, const Metrics& m) {
    out.gauge("qwend:num_requests_running", "Sequences in the batch.", m.num_requests_running);
    out.gauge("qwend:num_requests_waiting", "Sequences in the queue.", m.num_requests_waiting);
    out.gauge("qwend:kv_cache_usage_perc", "KV blocks in use, 1 is all.", m.kv_cache_usage_perc);
    out.gauge("qwend:kv_blocks_total", "KV blocks in the pool.", m.kv_blocks_total);
    out.gauge("qwend:kv_blocks_used", "KV blocks held by sequences.", m.kv_blocks_used);
    if (m.kv_block_size.value() <= 0) return;  // it is not ready yet
    out.family("qwend:cache_config_info", "gauge", "How the KV cache is set up; always 1.");
    out.sample("qwend:cache_config_info",
               fmt::format("block_size=\"{}\",num_gpu_blocks=\"{}\",enable_prefix_caching=\"{}\"",
                           m.kv_block_size.value(), m.kv_blocks_total.value(),
                           m.prefix_caching.value() != 0 ? "True" : "False"),
               1);
}

void render_counters(Exposition& out, const Metrics& m) {
    out.counter("qwend:prompt_tokens_total", "Prompt tokens, cached ones included.",
                m.prompt_tokens);
    out.counter("qwend:generation_tokens_total", "Tokens generated.", m.generation_tokens);
    out.counter("qwend:prompt_tokens_cached_total", "Prompt tokens the prefix cache gave.",
                m.prompt_tokens_cached);
    out.counter("qwend:num_preemptions_total", "Sequences that gave their blocks up for others.",
                m.num_preemptions);
    out.counter("qwend:prefix_cache_queries_total", "Tokens looked up in the prefix cache.",
                m.prefix_cache_queries);
    out.counter("qwend:prefix_cache_hits_total", "Tokens found in the prefix cache.",
                m.prefix_cache_hits);
    out.family("qwend:request_success_total", "counter", "Sequences ended, by reason.");
    constexpr std::array<const char*, 4> kReasons = {"stop", "length", "abort", "error"};
    for (size_t i = 0; i < kReasons.size(); i++)
        out.sample("qwend:request_success_total",
                   fmt::format("finished_reason=\"{}\"", kReasons[i]),
                   double(m.request_success[i].value()));
    out.counter("qwend:unknown_request_fields_total", "Request fields accepted and ignored.",
                m.unknown_fields);
}

void render_times(Exposition& out, const Metrics& m) {
    out.histogram("qwend:time_to_first_token_seconds", "From arrival to the first token.",
                  m.time_to_first_token);
    out.histogram("qwend:inter_token_latency_seconds", "Between tokens of a sequence.",
                  m.inter_token_latency);
    out.histogram("qwend:request_time_per_output_token_seconds",
                  "Mean time between tokens of a sequence.", m.request_time_per_output_token);
    out.histogram("qwend:e2e_request_latency_seconds", "From arrival to the last token.",
                  m.e2e_request_latency);
    out.histogram("qwend:request_queue_time_seconds", "From arrival to the first step.",
                  m.request_queue_time);
    out.histogram("qwend:request_prefill_time_seconds", "From the first step to the first token.",
                  m.request_prefill_time);
    out.histogram("qwend:request_decode_time_seconds", "From the first to the last token.",
                  m.request_decode_time);
    out.histogram("qwend:request_inference_time_seconds", "From the first step to the last token.",
                  m.request_inference_time);
}

void render_sizes(Exposition& out, const Metrics& m) {
    out.histogram("qwend:request_prompt_tokens", "Prompt length in tokens.",
                  m.request_prompt_tokens);
    out.histogram("qwend:request_prefill_kv_computed_tokens",
                  "Prompt tokens that the prefix cache did not give.",
                  m.request_prefill_kv_computed_tokens);
    out.histogram("qwend:request_generation_tokens", "Answer length in tokens.",
                  m.request_generation_tokens);
    out.histogram("qwend:request_max_num_generation_tokens",
                  "Length in tokens of the longest choice of a request.",
                  m.request_max_num_generation_tokens);
    out.histogram("qwend:request_params_n", "Choices asked for.", m.request_params_n);
    out.histogram("qwend:request_params_max_tokens", "Most tokens an answer might have had.",
                  m.request_params_max_tokens);
    out.histogram("qwend:request_num_preemptions", "Preemptions of a sequence.",
                  m.request_num_preemptions);
    out.histogram("qwend:iteration_tokens_total", "Tokens computed in one step.",
                  m.iteration_tokens);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value, uint64_t count) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    counts_[size_t(bucket)].fetch_add(count, std::memory_order_relaxed);
    double sum = sum_.load(std::memory_order_relaxed);
    while (
        !sum_.compare_exchange_weak(sum, sum + value * double(count), std::memory_order_relaxed)) {
    }
}

std::vector<uint64_t> Histogram::bucket_counts() const {
    std::vector<uint64_t> counts;
    for (auto& count : counts_) counts.push_back(count.load(std::memory_order_relaxed));
    return counts;
}

void ThreadClock::attach() {
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) != 0) return;
    clock_ = clock;
    attached_ = true;
}

double ThreadClock::seconds() const {
    timespec time{};
    if (!attached_ || clock_gettime(clock_, &time) != 0) return 0;
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

Metrics::Metrics()
    : time_to_first_token(kLatencyBounds),
      inter_token_latency(kLatencyBounds),
      e2e_request_latency(kLatencyBounds),
      request_queue_time(kLatencyBounds),
      request_prefill_time(kLatencyBounds),
      request_decode_time(kLatencyBounds),
      request_inference_time(kLatencyBounds),
      request_time_per_output_token(kLatencyBounds),
      request_prompt_tokens(kTokenBounds),
      request_generation_tokens(kTokenBounds),
      iteration_tokens(kTokenBounds),
      request_prefill_kv_computed_tokens(kTokenBounds),
      request_params_max_tokens(kTokenBounds),
      request_max_num_generation_tokens(kTokenBounds),
      request_params_n({1, 2, 5, 10, 20}),
      request_num_preemptions({1, 2, 3, 4, 5, 10, 20}) {
    start_time();
}

void Metrics::count_http(std::string_view route, std::string_view method, int status) {
    http_requests_[{std::string(route), std::string(method), std::to_string(status)}]++;
}

std::string Metrics::render(std::string_view model_name) const {
    Exposition out(model_name);
    render_pool(out, *this);
    render_counters(out, *this);
    render_times(out, *this);
    render_sizes(out, *this);
    out.family("qwend:log_lines_dropped_total", "counter", "Lines of the log that nobody read.");
    out.sample("qwend:log_lines_dropped_total", "", double(log_lines_dropped()));
    out.family("qwend:loop_cpu_seconds_total", "counter", "CPU time of the event loop's thread.");
    out.sample("qwend:loop_cpu_seconds_total", "", loop_cpu.seconds());
    out.family("qwend:worker_cpu_seconds_total", "counter",
               "CPU time of the engine's thread, its OpenMP helpers not included.");
    out.sample("qwend:worker_cpu_seconds_total", "", worker_cpu.seconds());
    out.family("qwend:http_requests_total", "counter", "Answered requests.");
    for (auto& [key, count] : http_requests_)
        out.sample("qwend:http_requests_total",
                   fmt::format("route=\"{}\",method=\"{}\",status=\"{}\"", escape_label(key[0]),
                               escape_label(key[1]), key[2]),
                   double(count));
    out.family("qwend:build_info", "gauge", "What was built; always 1.");
    out.sample("qwend:build_info",
               fmt::format("version=\"{}\",backends=\"{}\"", escape_label(qwend_version()),
                           qwend_backends()),
               1);
    render_process(out);
    return out.take();
}

}  // namespace qwend
