#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/load/lengths.h"
#include "tests/bench/load/statistics.h"

namespace qwend::load {

/// How prompts are sent.
enum class Api { ids, text, chat };

/// A member of a request's body that the user adds, or puts in the place of one of ours.
struct BodyField {
    std::string key, value;  // value: JSON
};

struct LoadOptions {
    std::string host = "127.0.0.1", port = "8000";
    Api api = Api::ids;
    std::string endpoint;  // empty: as `api` has it
    std::string model, api_key;
    int num_prompts = 64, num_warmups = 4;  // conversations, where they have several turns
    int max_concurrency = 8;                // of a closed loop
    double request_rate = 0;                // requests a second of an open loop; 0: a closed one
    double burstiness = 1;
    Lengths input_len = Lengths::fixed(32), output_len = Lengths::fixed(128);
    int prefix_len = 0, num_prefixes = 1;
    int turns = 1;
    int vocab = 5000;  // prompt ids are drawn from [100, vocab)
    double temperature = 0;
    bool sends_seed = true, ignores_eos = true;
    std::vector<BodyField> extra_body;
    uint64_t seed = 1;
    double time_limit = 300;  // s
    Goodput goodput;
    std::vector<std::string> percentile_metrics = {"ttft", "tpot", "itl", "e2el"};
    std::vector<double> metric_percentiles = {50, 90, 95, 99};
    std::string label, result_filename;
    bool save_detailed = false;

    bool is_open_loop() const { return request_rate > 0; }
    std::string path() const;
};

/// Reads the command line. On a wish for help, or an error, it says so and returns the process's
/// exit code.
std::optional<int> parse_options(int argc, const char* const* argv, LoadOptions& out);

}  // namespace qwend::load
