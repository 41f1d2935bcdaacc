#pragma once

#include <array>

#include "daemon/engine/metric_values.h"
#include "daemon/engine/speculation.h"

namespace qwend {

/// What one engine counts: /metrics shows it under the names of vLLM's. The engine's worker writes,
/// anybody reads.
struct EngineMetrics {
    EngineMetrics();

    Gauge num_requests_running, num_requests_waiting, kv_cache_usage_perc;
    Gauge kv_blocks_total, kv_blocks_used;  // used: held by a sequence; cached blocks are free
    Gauge kv_block_size, prefix_caching;    // tokens; whether; for cache_config_info
    Counter prompt_tokens, generation_tokens, prompt_tokens_cached;
    Counter num_preemptions, prefix_cache_queries, prefix_cache_hits;  // in tokens, as in vLLM
    struct Drafts {
        Counter steps, tokens, accepted;
    };
    std::array<Drafts, kDraftSources> drafts;  // by DraftSource
    std::array<Counter, 4> request_success;    // stop, length, abort, error
    Histogram time_to_first_token, inter_token_latency, e2e_request_latency;       // seconds
    Histogram request_queue_time, request_prefill_time, request_decode_time;       // seconds
    Histogram request_inference_time, request_time_per_output_token;               // seconds
    Histogram request_prompt_tokens, request_generation_tokens, iteration_tokens;  // tokens
    Histogram request_prefill_kv_computed_tokens;                                  // tokens
    Histogram request_params_max_tokens;          // tokens; of each sequence
    Histogram request_max_num_generation_tokens;  // tokens; of the longest choice of each request
    Histogram request_params_n;                   // choices of each request
    Histogram request_num_preemptions;            // of each sequence
    ThreadClock worker_cpu;                       // its share of a core is the rate of this
};

}  // namespace qwend
