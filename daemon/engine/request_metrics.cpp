#include "daemon/engine/request_metrics.h"

#include <algorithm>

namespace qwend {
namespace {

/// Once the last choice of a request has finished.
void record_group(EngineMetrics& metrics, const Sequence& sequence) {
    if (!sequence.group) return;
    ChoiceGroup& group = *sequence.group;
    group.most_output = std::max(group.most_output, sequence.n_sampled());
    if (++group.n_finished < group.n_choices) return;
    metrics.request_params_n.observe(group.n_choices);
    metrics.request_max_num_generation_tokens.observe(group.most_output);
}

}  // namespace

Counter& finish_counter(EngineMetrics& metrics, FinishReason finish) {
    return metrics.request_success[static_cast<int>(finish) - static_cast<int>(FinishReason::stop)];
}

void record_token(EngineMetrics& metrics, Sequence& sequence, double time) {
    SequenceTimes& times = sequence.times;
    metrics.generation_tokens.add();
    if (times.first_token < 0) {
        times.first_token = time;
        metrics.time_to_first_token.observe(time - times.submitted);
        metrics.prompt_tokens.add(sequence.n_prompt);
        metrics.prompt_tokens_cached.add(sequence.n_cached);
    } else {
        metrics.inter_token_latency.observe(time - times.last_token);
    }
    times.last_token = time;
}

void record_vectors(EngineMetrics& metrics, const Sequence& sequence, double time) {
    const SequenceTimes& times = sequence.times;
    metrics.prompt_tokens.add(sequence.n_prompt);
    metrics.prompt_tokens_cached.add(sequence.n_cached);
    metrics.e2e_request_latency.observe(time - times.submitted);
    metrics.request_queue_time.observe(times.scheduled - times.submitted);
    metrics.request_inference_time.observe(time - times.scheduled);
    metrics.request_prompt_tokens.observe(sequence.n_prompt);
}

void record_finish(EngineMetrics& metrics, const Sequence& sequence, FinishReason finish) {
    const SequenceTimes& times = sequence.times;
    const int n_sampled = sequence.n_sampled();
    finish_counter(metrics, finish).add();
    if (times.first_token < 0 || finish == FinishReason::error)
        return;  // without a token or a time
    record_group(metrics, sequence);
    metrics.e2e_request_latency.observe(times.last_token - times.submitted);
    metrics.request_queue_time.observe(times.scheduled - times.submitted);
    metrics.request_prefill_time.observe(times.first_token - times.scheduled);
    metrics.request_decode_time.observe(times.last_token - times.first_token);
    metrics.request_inference_time.observe(times.last_token - times.scheduled);
    metrics.request_time_per_output_token.observe(
        n_sampled > 1 ? (times.last_token - times.first_token) / (n_sampled - 1) : 0);
    metrics.request_prompt_tokens.observe(sequence.n_prompt);
    metrics.request_prefill_kv_computed_tokens.observe(sequence.n_prompt - sequence.n_cached);
    metrics.request_generation_tokens.observe(n_sampled);
    metrics.request_params_max_tokens.observe(sequence.max_tokens);
    metrics.request_num_preemptions.observe(sequence.n_preemptions);
}

}  // namespace qwend
