#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/load/outcome.h"

namespace qwend::load {

/// Of one quantity's samples; all are 0 where there is none.
struct Summary {
    double mean = 0, median = 0, std = 0;  // std: of the samples themselves, not an estimate
    std::vector<double> percentiles;       // in the order in which they were asked for
};

/// The p-th percentile, p in [0, 100], of values in ascending order: linear between the two
/// nearest, as numpy has it. 0 if there are none.
double percentile(const std::vector<double>& sorted, double p);
Summary summarize(std::vector<double> values, const std::vector<double>& percentiles);

/// Service level objectives in ms; a request is good if it keeps all that are set.
struct Goodput {
    std::optional<double> ttft = {}, tpot = {}, e2el = {};
    bool is_asked() const { return ttft || tpot || e2el; }
    bool is_met_by(const Outcome& outcome) const;
};

/// A run: what its requests showed, and what the generator itself cost.
struct RunResult {
    std::vector<Outcome> outcomes = {};
    double begin = 0;        // of the schedule
    int n_unsent = 0;        // requests that a failure before them or the time limit left out
    double cpu_seconds = 0;  // of this process
};

/// The figures of a run, named as `vllm bench serve` names them. Latencies are in ms and of
/// requests that succeeded; rates are per second of `duration`.
struct Figures {
    int completed = 0, failed = 0;
    double duration = 0;  // from the first moment of the schedule to the end of the last request
    long total_input_tokens = 0, total_cached_tokens = 0, total_output_tokens = 0;
    long output_events = 0;
    int without_usage = 0;  // requests whose tokens are a count of events
    double request_throughput = 0, output_throughput = 0, total_token_throughput = 0;
    std::optional<double> request_goodput;
    int max_concurrent_requests = 0;
    Summary ttft, tpot, itl, e2el;
    Summary lateness;          // of the generator: sent - due
    double max_lateness = 0;   // ms
    double generator_cpu = 0;  // cores
    double generator_cpu_us_per_token = 0;
    std::map<std::string, int> failures;  // how often each was the reason
};

Figures compute_figures(const RunResult& run, const std::vector<double>& percentiles,
                        const Goodput& goodput);

}  // namespace qwend::load
