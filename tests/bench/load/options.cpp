#include "tests/bench/load/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "daemon/option_values.h"
#include "model/json_document.h"

namespace qwend::load {

namespace {

constexpr int kMost = 100'000'000;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

constexpr const char* kAbout =
    "Streams completions from any server that speaks OpenAI's dialect and reports how fast they "
    "come.\n"
    "Names of options and figures are those of `vllm bench serve`; tests/bench/README.md says what "
    "is\n"
    "counted, and how to compare two servers fairly.";

constexpr const char* kExample = R"(
One load for two servers, one after the other on the same machine:

  qwend serve --model MODEL --listen 127.0.0.1:8000
  vllm serve MODEL --served-model-name m --port 8001
  load="--api ids --input-len lognormal:600:0.6:4000 --output-len uniform:64:512 --no-seed
        --num-prompts 2000 --request-rate 20 --goodput ttft:200,tpot:50"
  bench-load --port 8000 $load --label qwend --result-filename qwend.json
  bench-load --port 8001 $load --label vllm --model m --result-filename vllm.json
)";

/// CLI11 gives texts; what is wrong with one is said as its own validators say it.
[[noreturn]] void refuse(const char* option, std::string_view expected, const std::string& found) {
    throw CLI::ValidationError(option, fmt::format("expected {}, found \"{}\"", expected, found));
}

void add_lengths(CLI::App& app, const char* names, const char* option, Lengths& out,
                 const std::string& about) {
    const std::string fixed = std::to_string(out.least);
    app.add_option_function<std::string>(
           names,
           [option, &out](const std::string& text) {
               const auto lengths = parse_lengths(text);
               if (!lengths) refuse(option, kLengthsForm, text);
               out = *lengths;
           },
           about + ": " + kLengthsForm)
        ->type_name("LENGTHS")
        ->default_str(fixed);
}

std::vector<BodyField> parse_body(std::string text) {
    // Members without braces around them are what --fields took before.
    if (text.find_first_not_of(" \t\n") != text.npos &&
        text[text.find_first_not_of(" \t\n")] != '{')
        text = '{' + text + '}';
    JsonDocument document;
    if (document.parse(text) || !document.root().is_object())
        refuse("--extra-body", "a JSON object", text);
    std::vector<BodyField> fields;
    for (const JsonMember& member : document.root().members())
        fields.push_back({member.key, std::string(member.value.raw())});
    return fields;
}

Goodput parse_goodput(const std::vector<std::string>& pairs) {
    Goodput goodput;
    for (const std::string& pair : pairs) {
        const size_t colon = pair.find(':');
        const std::string name = pair.substr(0, colon);
        std::string ms = colon == pair.npos ? "" : pair.substr(colon + 1);
        auto* goal = name == "ttft"   ? &goodput.ttft
                     : name == "tpot" ? &goodput.tpot
                     : name == "e2el" ? &goodput.e2el
                                      : nullptr;
        if (!goal || !number(0, 1e9)(ms).empty())
            refuse("--goodput", "ttft:MS, tpot:MS or e2el:MS", pair);
        *goal = std::stod(ms);
    }
    return goodput;
}

void add_server_options(CLI::App& app, LoadOptions& options) {
    app.add_option("--host", options.host, "the server")->capture_default_str();
    app.add_option("--port", options.port, "its port")->capture_default_str();
    static const std::map<std::string, Api> apis = {
        {"ids", Api::ids},   {"text", Api::text}, {"openai", Api::text},
        {"vllm", Api::text}, {"chat", Api::chat}, {"openai-chat", Api::chat}};
    app.add_option_function<std::string>(
           "--api,--backend",
           [&options](const std::string& name) {
               const auto found = apis.find(name);
               if (found == apis.end()) refuse("--api", "ids, text or chat", name);
               options.api = found->second;
           },
           "prompts as token ids and as text to /v1/completions, or as messages to "
           "/v1/chat/completions; vLLM's openai, vllm and openai-chat are understood")
        ->type_name("ids|text|chat")
        ->default_str("ids");
    app.add_option("--endpoint", options.endpoint, "path, where it is another than that");
    app.add_option("--model,--served-model-name", options.model,
                   "the request's model; none: unsaid");
    app.add_option("--api-key", options.api_key, "sent as a bearer token");
}

void add_arrival_options(CLI::App& app, LoadOptions& options) {
    app.add_option("-n,--num-prompts,--requests", options.num_prompts,
                   "requests that are measured; with --turns: conversations")
        ->check(whole_number(1, kMost))
        ->capture_default_str();
    app.add_option("--num-warmups,--warmup", options.num_warmups,
                   "requests before them, of the same kind, that are not")
        ->check(whole_number(0, kMost))
        ->capture_default_str();
    auto* concurrency =
        app.add_option("-c,--max-concurrency,--concurrency", options.max_concurrency,
                       "a closed loop: as many at once, each begun when one is over")
            ->check(whole_number(1, 1'000'000))
            ->capture_default_str();
    auto* rate =
        app.add_option("--request-rate,--rate", options.request_rate,
                       "an open loop: as many begin each second, by a schedule made before "
                       "and whatever the others do; inf: all at once; 0: the closed loop")
            ->check(number(0, kInfinite))
            ->excludes(concurrency);
    app.add_option("--burstiness", options.burstiness,
                   "of the open loop: 1: Poisson arrivals; less: more bursty; inf: evenly spaced")
        ->check(number(1e-3, kInfinite))
        ->needs(rate)
        ->capture_default_str();
    app.add_option("--time-limit", options.time_limit,
                   "seconds, after which what is left has failed")
        ->check(number(1e-3, 1e6))
        ->capture_default_str();
}

void add_prompt_options(CLI::App& app, LoadOptions& options) {
    add_lengths(app, "--input-len,--random-input-len,--prompt-tokens", "--input-len",
                options.input_len, "tokens of a prompt (of each turn's), drawn at random");
    add_lengths(app, "--output-len,--random-output-len,--max-tokens", "--output-len",
                options.output_len, "tokens of an answer");
    app.add_option_function<double>(
           "--random-range-ratio",
           [&options](double ratio) {
               options.input_len = options.input_len.spread(ratio);
               options.output_len = options.output_len.spread(ratio);
           },
           "fixed lengths become uniform in N * (1 +- this)")
        ->check(number(0, 0.999))
        ->type_name("RATIO");
    app.add_option("--shared-prefix,--prefix-repetition-prefix-len", options.prefix_len,
                   "tokens before each prompt that it shares with others")
        ->check(whole_number(0, kMost))
        ->capture_default_str();
    app.add_option("--prefix-groups,--prefix-repetition-num-prefixes", options.num_prefixes,
                   "how many such prefixes there are; they take turns")
        ->check(whole_number(1, kMost))
        ->capture_default_str();
    app.add_option("--turns", options.turns,
                   "questions of a conversation, each with all that was said before; ids need a "
                   "server that has return_token_ids")
        ->check(whole_number(1, 10'000))
        ->capture_default_str();
    app.add_option("--vocab", options.vocab, "prompt ids are from 100 to below this")
        ->check(whole_number(101, 1'000'000))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of lengths, prompts, arrivals and requests' seeds")
        ->capture_default_str();
}

void add_body_options(CLI::App& app, LoadOptions& options) {
    app.add_option("--temperature", options.temperature)
        ->check(number(0, 100))
        ->capture_default_str();
    app.add_flag("!--no-seed", options.sends_seed,
                 "requests have no seed; one puts vLLM on a slower path");
    app.add_flag("--ignore-eos,!--no-ignore-eos", options.ignores_eos,
                 "answers have the length that was asked for; the default");
    app.add_option_function<std::string>(
           "--extra-body,--extra,--fields",
           [&options](const std::string& text) { options.extra_body = parse_body(text); },
           "members of each request's body, added to ours or in the place of those of the same "
           "name: '{\"top_k\":20}'")
        ->type_name("JSON");
}

void add_report_options(CLI::App& app, LoadOptions& options) {
    app.add_option_function<std::vector<std::string>>(
           "--goodput",
           [&options](const std::vector<std::string>& pairs) {
               options.goodput = parse_goodput(pairs);
           },
           "counts requests that keep all of these, in ms: ttft:200,tpot:50,e2el:5000")
        ->delimiter(',')
        ->type_name("NAME:MS,...");
    app.add_option("--percentile-metrics", options.percentile_metrics, "what the table shows")
        ->delimiter(',')
        ->check(one_of({"ttft", "tpot", "itl", "e2el"}))
        ->type_name("NAME,...")
        ->default_str(fmt::format("{}", fmt::join(options.percentile_metrics, ",")));
    app.add_option("--metric-percentiles", options.metric_percentiles, "and which percentiles")
        ->delimiter(',')
        ->check(number(0, 100))
        ->type_name("P,...")
        ->default_str(fmt::format("{}", fmt::join(options.metric_percentiles, ",")));
    app.add_option("--label", options.label, "a name for the run, in its results");
    app.add_option("--result-filename,--json", options.result_filename,
                   "write the figures to this file as well, as JSON");
    app.add_flag("--save-detailed", options.save_detailed, "there each request's own, too");
}

}  // namespace

std::string LoadOptions::path() const {
    if (!endpoint.empty()) return endpoint;
    return api == Api::chat ? "/v1/chat/completions" : "/v1/completions";
}

std::optional<int> parse_options(int argc, const char* const* argv, LoadOptions& out) {
    CLI::App app(kAbout, "bench-load");
    app.footer(kExample);
    add_server_options(app, out);
    add_arrival_options(app, out);
    add_prompt_options(app, out);
    add_body_options(app, out);
    add_report_options(app, out);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
    return std::nullopt;
}

}  // namespace qwend::load
