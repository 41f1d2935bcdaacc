// bench-load: a load generator for any server that speaks OpenAI's dialect, on one libuv loop. Its
// parts, each with its unit test, are in load/; README.md says what is counted.

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "tests/bench/load/options.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/run.h"
#include "tests/bench/load/statistics.h"

using namespace qwend::load;

namespace {

bool write_file(const std::string& name, const std::string& text) {
    std::ofstream file(name);
    file << text << std::flush;
    if (file) return true;
    fmt::print(stderr, "bench-load: {} cannot be written\n", name);
    return false;
}

int run(int argc, char** argv) {
    LoadOptions options;
    if (const auto code = parse_options(argc, argv, options)) return *code;
    const auto result = measure(options);
    if (!result) return 1;
    const Figures figures = compute_figures(*result, options.metric_percentiles, options.goodput);
    fmt::print("{}", render_table(figures, options));
    const bool is_written =
        options.result_filename.empty() ||
        write_file(options.result_filename, render_json(figures, options, *result));
    return figures.failed || !is_written;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench-load: {}\n", error.what());
        return 1;
    }
}
