#include "daemon/engine/metrics.h"

#include <vector>

namespace qwend {

namespace {

const std::vector<double> kLatencyBounds = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                            0.025,   0.05,   0.1,   0.25,   0.5,   1,
                                            2.5,     5,      10,    30,     60,    120};
const std::vector<double> kTokenBounds = {1,   2,    5,    10,   20,    50,    100,   200,
                                          500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

}  // namespace

EngineMetrics::EngineMetrics()
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
      request_num_preemptions({1, 2, 3, 4, 5, 10, 20}) {}

}  // namespace qwend
