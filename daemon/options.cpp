#include "daemon/options.h"

#include <fmt/core.h>
#include <algorithm>

#include <CLI/CLI.hpp>

#include "daemon/option_values.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr uint64_t kMostMemory = uint64_t(64) << 40;  // bytes; no machine has more

void define_model(CLI::App& app, Options& o) {
    app.option_defaults()->group("Model");
    app.add_option("--model", o.model, "checkpoint folder, as git clone leaves it, or a GGUF file")
        ->type_name("FOLDER");
    app.add_option("--served-model-name", o.served_model_name,
                   "a name clients may use; may be repeated; default: the folder's")
        ->check(not_empty("a name"))
        ->allow_extra_args(false);
    app.add_option("--max-context", o.max_context, "tokens of context; 0: the model's own limit")
        ->check(whole_number(0, 1 << 24));
    app.add_option("--quantization", o.quantization,
                   "quantise the weights of a BF16, F16 or F32 folder: none, fp8, int8 or int4")
        ->check(one_of({"none", "fp8", "int8", "int4"}));
    app.add_option("--quantize-head", o.quantize_head,
                   "quantise the head to int8: auto, which is where quantization is set, true or "
                   "false")
        ->check(one_of({"auto", "true", "false"}));
    app.add_option("--chat-template", o.chat_template,
                   "a Jinja template to render chats with; default: the checkpoint's own")
        ->type_name("FILE");
    app.add_option("--reasoning-format", o.reasoning_format,
                   "how answers hold reasoning: auto, none or think")
        ->check(one_of({"auto", "none", "think"}));
    app.add_option("--tool-format", o.tool_format,
                   "how answers hold calls of tools: auto, none, hermes or qwen3-coder")
        ->check(one_of({"auto", "none", "hermes", "qwen3-coder"}));
}

void define_network(CLI::App& app, Options& o) {
    app.option_defaults()->group("Network");
    app.add_option("--listen", o.listen, "HOST:PORT, [IPV6]:PORT or unix:/PATH; may be repeated")
        ->check(listen_address())
        ->allow_extra_args(false);
    app.add_option("--api-key-file", o.api_key_file, "one key a line; mode 0600")
        ->type_name("FILE");
    app.add_flag("--insecure-no-auth,!--no-insecure-no-auth", o.insecure_no_auth,
                 "serve other machines without API keys");
    app.add_option("--cors-origins", o.cors_origins,
                   "an origin browsers may call from, or *; may be repeated")
        ->check(not_empty("an origin"))
        ->allow_extra_args(false);
    app.add_option("--log-level", o.log_level, "error, warning, notice, info or debug")
        ->check(one_of({"error", "warning", "notice", "info", "debug"}));
}

void define_engine(CLI::App& app, Options& o) {
    app.option_defaults()->group("Engine");
    app.add_option("--device", o.device, "auto, cpu or cuda")
        ->check(one_of({"auto", "cpu", "cuda"}));
    app.add_option("--threads", o.threads, "CPU threads; 0: all cores")
        ->check(whole_number(0, 4096));
    app.add_option("--max-sequences", o.max_sequences, "sequences generated at once; 0: choose")
        ->check(whole_number(0, 4096));
    app.add_option("--max-queue", o.max_queue, "sequences waiting; more are answered 429")
        ->check(whole_number(0, 1 << 20));
    app.add_option("--max-step-tokens", o.max_step_tokens,
                   "tokens computed in one step: decode rows, then chunks of prompts; 0: choose")
        ->check(whole_number(0, 65536));
    app.add_option("--inter-token-latency", o.inter_token_latency,
                   "milliseconds in which streams should get their next token while prompts come "
                   "in; 0: choose")
        ->check(number(0, 60000));
    app.add_option("--kv-cache-memory", o.kv_cache_memory, "bytes, or 512M, 4G; 0: choose")
        ->transform(size_in_bytes(64 << 10, kMostMemory, true));
    app.add_option("--gpu-memory-utilization", o.gpu_memory_utilization,
                   "share of the GPU's memory for weights, KV cache and everything else")
        ->check(number(0.01, 1));
    app.add_flag("--prefix-cache,!--no-prefix-cache", o.prefix_cache,
                 "reuse what prompts have in common; the default");
    app.add_flag("--speculation,!--no-speculation", o.speculation,
                 "guess text that repeats itself and check several tokens a step; the default");
    app.add_option("--step-timeout", o.step_timeout, "seconds after which a step counts as stalled")
        ->check(seconds());
    app.add_flag("--deterministic,!--no-deterministic", o.deterministic,
                 "the same text in any company, to the last bit; slower on a GPU");
}

void define_limits(CLI::App& app, Options& o) {
    app.option_defaults()->group("Limits");
    app.add_option("--max-connections", o.max_connections, "clients at once")
        ->check(whole_number(1, 1 << 20));
    app.add_option("--max-body", o.max_body, "bytes of one request's body, or 8M")
        ->transform(size_in_bytes(1 << 10, uint64_t(1) << 30, false));
    app.add_option("--max-choices", o.max_choices, "choices of one request")
        ->check(whole_number(1, 4096));
    app.add_flag("--allow-priority,!--no-allow-priority", o.allow_priority,
                 "clients may say how urgent a request is; others wait");
    app.add_option("--responses-store-bytes", o.responses_store_bytes,
                   "of /v1/responses, kept to be gone on from, or 64M; 0: none")
        ->transform(size_in_bytes(64 << 10, kMostMemory, true));
    app.add_option("--state-directory", o.state_directory,
                   "where /v1/files and /v1/batches are kept; default: neither is offered")
        ->type_name("FOLDER");
    app.add_option("--max-state", o.max_state, "bytes of all files kept there, or 10G")
        ->transform(size_in_bytes(1 << 20, kMostMemory, false));
    app.add_option("--max-file", o.max_file, "bytes of a file that is uploaded, or 100M")
        ->transform(size_in_bytes(1 << 10, uint64_t(1) << 30, false));
    app.add_option("--header-timeout", o.header_timeout, "seconds for a request's headers")
        ->check(seconds());
    app.add_option("--body-timeout", o.body_timeout, "seconds without any of a body coming")
        ->check(seconds());
    app.add_option("--keepalive-timeout", o.keepalive_timeout, "seconds between requests")
        ->check(seconds());
    app.add_option("--write-timeout", o.write_timeout,
                   "seconds without progress of a client that does not read")
        ->check(seconds());
    app.add_option("--ping-interval", o.ping_interval,
                   "seconds between comments on a stream that has nothing to say")
        ->check(seconds());
    app.add_option("--drain-timeout", o.drain_timeout,
                   "seconds answers may take to finish after SIGTERM")
        ->check(seconds());
}

/// As a browser writes it. What is written otherwise is equal to no page's.
bool is_origin(std::string_view text) {
    if (text == "*" || text == "null") return true;
    const size_t colon = text.find("://");
    if (colon == 0 || colon == std::string_view::npos) return false;
    const std::string_view host = text.substr(colon + 3);
    return !host.empty() && host.find_first_of("/?#*, ") == std::string_view::npos;
}

}  // namespace

void define_options(CLI::App& app, Options& o) {
    define_model(app, o);
    define_network(app, o);
    define_engine(app, o);
    define_limits(app, o);
    app.option_defaults()->group("Options");
}

std::string check_options(const Options& o) {
    if (o.listen.empty()) return "listen: expected at least one address, found none";
    for (const std::string& address : o.listen)
        if (!address.ends_with(":0") && std::count(o.listen.begin(), o.listen.end(), address) > 1)
            return fmt::format("listen: {} is given twice", excerpt(address));
    for (const std::string& origin : o.cors_origins)
        if (!is_origin(origin))
            return fmt::format(
                "cors-origins: expected \"*\" or SCHEME://HOST[:PORT], found \"{}\"; a browser "
                "sends nothing after the host, not even a slash",
                excerpt(origin));
    if (o.max_sequences > 0 && o.max_step_tokens > 0 && o.max_sequences > o.max_step_tokens)
        return fmt::format(
            "max-sequences {} is more than max-step-tokens {}: a step computes a token of every "
            "running sequence; raise max-step-tokens or lower max-sequences",
            o.max_sequences, o.max_step_tokens);
    return {};
}

}  // namespace qwend
