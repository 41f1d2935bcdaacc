#pragma once

#include <string>

#include "tests/bench/load/options.h"
#include "tests/bench/load/statistics.h"

namespace qwend::load {

/// The figures for a reader: a few lines, and a table of latencies.
std::string render_table(const Figures& figures, const LoadOptions& options);

/// The same for a program, one JSON object; names are those of the file that `vllm bench serve
/// --save-result` writes, where it has them.
std::string render_json(const Figures& figures, const LoadOptions& options, const RunResult& run);

}  // namespace qwend::load
