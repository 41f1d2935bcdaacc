#include "tests/bench/load/options.h"

#include <doctest/doctest.h>

#include <cmath>
#include <iostream>
#include <optional>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

using namespace qwend::load;

namespace {

struct Parsed {
    LoadOptions options;
    std::optional<int> code;
    std::string said;
};

/// Puts what is written to a stream into `out`, for as long as it lives.
class Redirected {
  public:
    Redirected(std::ostream& stream, std::ostream& out)
        : stream_(stream), before_(stream.rdbuf(out.rdbuf())) {}
    ~Redirected() { stream_.rdbuf(before_); }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;

  private:
    std::ostream& stream_;
    std::streambuf* before_;
};

/// What the options are, what the process would exit with and what it would say.
Parsed parse(const std::vector<const char*>& arguments) {
    std::vector<const char*> argv = {"bench-load"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    std::ostringstream out;
    const Redirected output(std::cout, out), errors(std::cerr, out);
    Parsed parsed;
    parsed.code = parse_options(int(argv.size()), argv.data(), parsed.options);
    parsed.said = out.str();
    return parsed;
}

LoadOptions accepted(const std::vector<const char*>& arguments) {
    Parsed parsed = parse(arguments);
    INFO(parsed.said);
    CHECK(!parsed.code);
    return parsed.options;
}

}  // namespace

TEST_CASE("load options: the short names and those from before") {
    const LoadOptions options =
        accepted({"-n", "12", "-c", "3", "--warmup", "2", "--prompt-tokens", "7", "--max-tokens",
                  "9", "--json", "f", "--fields", "\"top_k\":1,\"min_p\":0"});
    CHECK(options.num_prompts == 12);
    CHECK(options.max_concurrency == 3);
    CHECK(options.num_warmups == 2);
    CHECK(options.input_len.least == 7);
    CHECK(options.output_len.most == 9);
    CHECK(options.result_filename == "f");
    REQUIRE(options.extra_body.size() == 2);
    CHECK(options.extra_body[0].key == "top_k");
    CHECK(options.extra_body[1].value == "0");
    CHECK(!options.is_open_loop());
}

TEST_CASE("load options: vLLM's names") {
    const LoadOptions options = accepted({"--backend",
                                          "openai-chat",
                                          "--num-prompts",
                                          "5",
                                          "--num-warmups",
                                          "0",
                                          "--request-rate",
                                          "2.5",
                                          "--burstiness",
                                          "0.5",
                                          "--random-input-len",
                                          "100",
                                          "--random-output-len",
                                          "50",
                                          "--random-range-ratio",
                                          "0.1",
                                          "--prefix-repetition-prefix-len",
                                          "64",
                                          "--prefix-repetition-num-prefixes",
                                          "4",
                                          "--goodput",
                                          "ttft:200",
                                          "tpot:50",
                                          "--percentile-metrics",
                                          "ttft,e2el",
                                          "--metric-percentiles",
                                          "25,99.9",
                                          "--result-filename",
                                          "f",
                                          "--save-detailed",
                                          "--extra-body",
                                          "{\"a\": [1, 2]}"});
    CHECK(options.api == Api::chat);
    CHECK(options.path() == "/v1/chat/completions");
    CHECK(options.request_rate == 2.5);
    CHECK(options.burstiness == 0.5);
    CHECK(options.input_len.least == 90);
    CHECK(options.output_len.most == 55);
    CHECK(options.prefix_len == 64);
    CHECK(options.num_prefixes == 4);
    CHECK(options.goodput.ttft == 200);
    CHECK(options.goodput.tpot == 50);
    CHECK(!options.goodput.e2el);
    CHECK(options.percentile_metrics == std::vector<std::string>{"ttft", "e2el"});
    CHECK(options.metric_percentiles == std::vector<double>{25, 99.9});
    CHECK(options.save_detailed);
    REQUIRE(options.extra_body.size() == 1);
    CHECK(options.extra_body[0].value == "[1, 2]");
}

TEST_CASE("load options: switches") {
    CHECK(accepted({}).sends_seed);
    CHECK(accepted({}).ignores_eos);
    CHECK(!accepted({"--no-seed"}).sends_seed);
    CHECK(!accepted({"--no-ignore-eos"}).ignores_eos);
    CHECK(accepted({"--ignore-eos"}).ignores_eos);
}

TEST_CASE("load options: rates") {
    CHECK(std::isinf(accepted({"--request-rate", "inf"}).request_rate));
    CHECK(accepted({"--rate", "3"}).is_open_loop());
    CHECK(!accepted({"--rate", "0"}).is_open_loop());
}

TEST_CASE("load options: goodput with commas") {
    const Goodput goodput = accepted({"--goodput", "ttft:200,e2el:0.5"}).goodput;
    CHECK(goodput.ttft == 200);
    CHECK(goodput.e2el == 0.5);
}

TEST_CASE("load options: what is wrong is said with what was expected") {
    const struct {
        std::vector<const char*> arguments;
        const char* said;
    } cases[] = {{{"--input-len", "none"}, "uniform:LEAST:MOST"},
                 {{"--extra-body", "{\"a\":"}, "expected a JSON object"},
                 {{"--extra-body", "[1]"}, "expected a JSON object"},
                 {{"--goodput", "itl:5"}, "expected ttft:MS"},
                 {{"--goodput", "ttft:-1"}, "expected ttft:MS"},
                 {{"--goodput", "ttft"}, "expected ttft:MS"},
                 {{"--api", "grpc"}, "ids"},
                 {{"--metric-percentiles", "101"}, "from 0 to 100"},
                 {{"--num-prompts", "0"}, "whole number from 1"},
                 {{"--request-rate", "-1"}, "expected a number"},
                 {{"--request-rate", "5", "-c", "8"}, "excludes"},
                 {{"--burstiness", "2"}, "requires"},
                 {{"--unknown"}, "--unknown"}};
    for (const auto& wrong : cases) {
        INFO(wrong.said);
        const Parsed parsed = parse(wrong.arguments);
        CHECK(parsed.code.value_or(0) != 0);
        CHECK(parsed.said.find(wrong.said) != std::string::npos);
    }
}

TEST_CASE("load options: help has an example of each server") {
    const Parsed parsed = parse({"--help"});
    CHECK(parsed.code == 0);
    CHECK(parsed.said.find("qwend serve") != std::string::npos);
    CHECK(parsed.said.find("vllm serve") != std::string::npos);
}
