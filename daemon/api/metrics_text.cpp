#include "daemon/api/metrics_text.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "daemon/log.h"
#include "daemon/version.h"

namespace qwend {

namespace {

/// Unix time this process began, as the Prometheus client libraries define it.
const double kStartTime = double(std::time(nullptr));

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
              kStartTime);
}

void render_pool(Exposition& out) {
    out.gauge("qwend:num_requests_running", "Sequences in the batch.",
              &EngineMetrics::num_requests_running);
    out.gauge("qwend:num_requests_waiting", "Sequences in the queue.",
              &EngineMetrics::num_requests_waiting);
    out.gauge("qwend:kv_cache_usage_perc", "KV blocks in use, 1 is all.",
              &EngineMetrics::kv_cache_usage_perc);
    out.gauge("qwend:kv_blocks_total", "KV blocks in the pool.", &EngineMetrics::kv_blocks_total);
    out.gauge("qwend:kv_blocks_used", "KV blocks held by sequences.",
              &EngineMetrics::kv_blocks_used);
}

void render_drafts(Exposition& out, std::string_view name, std::string_view help,
                   Counter EngineMetrics::Drafts::*counter) {
    constexpr std::array<std::string_view, kDraftSources> kSources = {"repetition", "form",
                                                                      "others"};
    out.family(name, "counter", help);
    for (size_t i = 0; i < out.models().size(); i++)
        for (size_t source = 0; source < kDraftSources; source++)
            out.sample(name, fmt::format(R"(source="{}")", kSources[source]),
                       double((out.models()[i].metrics.drafts[source].*counter).value()), i);
}

void render_counters(Exposition& out) {
    out.counter("qwend:prompt_tokens_total", "Prompt tokens, cached ones included.",
                &EngineMetrics::prompt_tokens);
    out.counter("qwend:generation_tokens_total", "Tokens generated.",
                &EngineMetrics::generation_tokens);
    out.counter("qwend:prompt_tokens_cached_total", "Prompt tokens the prefix cache gave.",
                &EngineMetrics::prompt_tokens_cached);
    out.counter("qwend:num_preemptions_total", "Sequences that gave their blocks up for others.",
                &EngineMetrics::num_preemptions);
    out.counter("qwend:prefix_cache_queries_total", "Tokens looked up in the prefix cache.",
                &EngineMetrics::prefix_cache_queries);
    out.counter("qwend:prefix_cache_hits_total", "Tokens found in the prefix cache.",
                &EngineMetrics::prefix_cache_hits);
    render_drafts(out, "qwend:spec_decode_num_drafts_total",
                  "Steps of a sequence that began with guesses.", &EngineMetrics::Drafts::steps);
    render_drafts(out, "qwend:spec_decode_num_draft_tokens_total", "Tokens that were guessed.",
                  &EngineMetrics::Drafts::tokens);
    render_drafts(out, "qwend:spec_decode_num_accepted_tokens_total", "Guesses that were right.",
                  &EngineMetrics::Drafts::accepted);
}

void render_times(Exposition& out) {
    out.histogram("qwend:time_to_first_token_seconds", "From arrival to the first token.",
                  &EngineMetrics::time_to_first_token);
    out.histogram("qwend:inter_token_latency_seconds", "Between tokens of a sequence.",
                  &EngineMetrics::inter_token_latency);
    out.histogram("qwend:request_time_per_output_token_seconds",
                  "Mean time between tokens of a sequence.",
                  &EngineMetrics::request_time_per_output_token);
    out.histogram("qwend:e2e_request_latency_seconds", "From arrival to the last token.",
                  &EngineMetrics::e2e_request_latency);
    out.histogram("qwend:request_queue_time_seconds", "From arrival to the first step.",
                  &EngineMetrics::request_queue_time);
    out.histogram("qwend:request_prefill_time_seconds", "From the first step to the first token.",
                  &EngineMetrics::request_prefill_time);
    out.histogram("qwend:request_decode_time_seconds", "From the first to the last token.",
                  &EngineMetrics::request_decode_time);
    out.histogram("qwend:request_inference_time_seconds", "From the first step to the last token.",
                  &EngineMetrics::request_inference_time);
}

void render_sizes(Exposition& out) {
    out.histogram("qwend:request_prompt_tokens", "Prompt length in tokens.",
                  &EngineMetrics::request_prompt_tokens);
    out.histogram("qwend:request_prefill_kv_computed_tokens",
                  "Prompt tokens that the prefix cache did not give.",
                  &EngineMetrics::request_prefill_kv_computed_tokens);
    out.histogram("qwend:request_generation_tokens", "Answer length in tokens.",
                  &EngineMetrics::request_generation_tokens);
    out.histogram("qwend:request_max_num_generation_tokens",
                  "Length in tokens of the longest choice of a request.",
                  &EngineMetrics::request_max_num_generation_tokens);
    out.histogram("qwend:request_params_n", "Choices asked for.", &EngineMetrics::request_params_n);
    out.histogram("qwend:request_params_max_tokens", "Most tokens an answer might have had.",
                  &EngineMetrics::request_params_max_tokens);
    out.histogram("qwend:request_num_preemptions", "Preemptions of a sequence.",
                  &EngineMetrics::request_num_preemptions);
    out.histogram("qwend:iteration_tokens_total", "Tokens computed in one step.",
                  &EngineMetrics::iteration_tokens);
}

/// Of the models that are ready; the family is there if one is.
void render_cache_config(Exposition& out) {
    bool begun = false;
    for (size_t i = 0; i < out.models().size(); i++) {
        const EngineMetrics& m = out.models()[i].metrics;
        if (m.kv_block_size.value() <= 0) continue;
        if (!std::exchange(begun, true))
            out.family("qwend:cache_config_info", "gauge", "How the KV cache is set up; always 1.");
        out.sample(
            "qwend:cache_config_info",
            fmt::format("block_size=\"{}\",num_gpu_blocks=\"{}\",enable_prefix_caching=\"{}\"",
                        m.kv_block_size.value(), m.kv_blocks_total.value(),
                        m.prefix_caching.value() != 0 ? "True" : "False"),
            1, i);
    }
}

void render_successes(Exposition& out) {
    constexpr std::array<const char*, 4> kReasons = {"stop", "length", "abort", "error"};
    out.family("qwend:request_success_total", "counter", "Sequences ended, by reason.");
    for (size_t i = 0; i < out.models().size(); i++)
        for (size_t reason = 0; reason < kReasons.size(); reason++)
            out.sample("qwend:request_success_total",
                       fmt::format("finished_reason=\"{}\"", kReasons[reason]),
                       double(out.models()[i].metrics.request_success[reason].value()), i);
}

void render_loop(Exposition& out, const LoopMetrics& loop) {
    out.family("qwend:log_lines_dropped_total", "counter", "Lines of the log that nobody read.");
    out.sample("qwend:log_lines_dropped_total", "", double(log_lines_dropped()));
    out.family("qwend:loop_cpu_seconds_total", "counter", "CPU time of the event loop's thread.");
    out.sample("qwend:loop_cpu_seconds_total", "", loop.loop_cpu.seconds());
    out.family("qwend:worker_cpu_seconds_total", "counter",
               "CPU time of the engine's thread, its OpenMP helpers not included.");
    for (size_t i = 0; i < out.models().size(); i++)
        out.sample("qwend:worker_cpu_seconds_total", "",
                   out.models()[i].metrics.worker_cpu.seconds(), i);
    out.family("qwend:http_requests_total", "counter", "Answered requests.");
    for (auto& [key, count] : loop.http_requests)
        out.sample("qwend:http_requests_total",
                   fmt::format("route=\"{}\",method=\"{}\",status=\"{}\"", escape_label(key[0]),
                               escape_label(key[1]), key[2]),
                   double(count));
}

/// Where batches are offered.
void render_batches(Exposition& out, const LoopMetrics& loop) {
    if (loop.batches.empty()) return;
    out.family("qwend:batch_requests_total", "counter", "Requests of batches, by outcome.");
    for (const auto& [outcome, count] : loop.batch_requests)
        out.sample("qwend:batch_requests_total", fmt::format("outcome=\"{}\"", outcome),
                   double(count));
    out.family("qwend:batches", "gauge", "Batches that are kept, by status.");
    for (const auto& [status, count] : loop.batches)
        out.sample("qwend:batches", fmt::format("status=\"{}\"", status), double(count));
}

void render_build(Exposition& out) {
    out.family("qwend:build_info", "gauge", "What was built; always 1.");
    out.sample("qwend:build_info",
               fmt::format("version=\"{}\",backends=\"{}\"", escape_label(qwend_version()),
                           qwend_backends()),
               1);
}

}  // namespace

std::string render_metrics(const LoopMetrics& loop, std::span<const ModelMetrics> models) {
    Exposition out(models);
    render_pool(out);
    render_cache_config(out);
    render_counters(out);
    render_successes(out);
    out.family("qwend:unknown_request_fields_total", "counter",
               "Request fields accepted and ignored.");
    out.sample("qwend:unknown_request_fields_total", "", double(loop.unknown_fields.value()));
    render_times(out);
    render_sizes(out);
    render_loop(out, loop);
    render_batches(out, loop);
    render_build(out);
    render_process(out);
    return out.take();
}

}  // namespace qwend
