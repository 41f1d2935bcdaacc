#include "daemon/engine/request_metrics.h"

#include <doctest/doctest.h>

namespace qwend {

TEST_CASE("request_metrics: an end without a token or by an error is counted and has no times") {
    EngineMetrics metrics;
    GenerationRequest request;
    request.prompt = std::vector<int32_t>{1, 2, 3};
    request.max_tokens = 5;
    Sequence sequence(std::move(request), 0, 1.0, std::make_shared<ChoiceGroup>());
    record_finish(metrics, sequence, FinishReason::stop);
    CHECK(metrics.request_success[0].value() == 1);
    CHECK(metrics.request_params_n.sum() == 0);
    CHECK(metrics.e2e_request_latency.sum() == 0);

    sequence.times.scheduled = 1.5;
    record_token(metrics, sequence, 2.0);
    record_token(metrics, sequence, 4.0);
    record_finish(metrics, sequence, FinishReason::error);
    CHECK(metrics.request_success[3].value() == 1);
    CHECK(metrics.e2e_request_latency.sum() == 0);
    sequence.n_preemptions = 3;
    record_finish(metrics, sequence, FinishReason::length);
    CHECK(metrics.request_num_preemptions.sum() == 3);
    CHECK(metrics.time_to_first_token.sum() == 1.0);
    CHECK(metrics.e2e_request_latency.sum() == 3.0);
    CHECK(metrics.request_inference_time.sum() == 2.5);
    CHECK(metrics.request_params_n.sum() == 1);
    CHECK(metrics.request_params_max_tokens.sum() == 5);
}

}  // namespace qwend
