#include "daemon/options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/log.h"
#include "daemon/version.h"

namespace qwend {

namespace {

constexpr const char* kFooter = R"(
Getting started:
  git clone https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct    (needs git-lfs)
  qwend check --model Qwen2.5-0.5B-Instruct
  qwend serve --model Qwen2.5-0.5B-Instruct
  curl -N localhost:8000/v1/chat/completions -d
    '{"messages":[{"role":"user","content":"hello"}],"stream":true}'

Exit codes: 0 drained, 64 usage, 69 no such device, 70 accelerator fault,
78 configuration or model.)";

CLI::Validator positive() {
    return CLI::Range(0.001, 1e9, "a positive number of seconds");
}

}  // namespace

void define_options(CLI::App& app, Options& o) {
    app.option_defaults()->group("Model");
    app.add_option("--model", o.model, "checkpoint folder, as git clone leaves it");
    app.add_option("--served-model-name", o.served_model_name,
                   "names clients may use; default: the folder's");
    app.add_option("--max-context", o.max_context, "tokens of context; 0: the model's own limit")
        ->check(CLI::Range(0, 1 << 24));
    app.option_defaults()->group("Network");
    app.add_option("--listen", o.listen, "HOST:PORT, [IPV6]:PORT or unix:/PATH; may be repeated");
    app.add_option("--api-key-file", o.api_key_file, "one key a line; mode 0600");
    app.add_flag("--insecure-no-auth,!--no-insecure-no-auth", o.insecure_no_auth,
                 "serve other machines without API keys");
    app.add_option("--cors-origins", o.cors_origins, "origins browsers may call from; * for all");
    app.add_option("--log-level", o.log_level, "error, warning, notice, info or debug")
        ->check(CLI::IsMember({"error", "warning", "notice", "info", "debug"}));
    app.option_defaults()->group("Engine");
    app.add_option("--device", o.device, "auto, cpu or cuda")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
    app.add_option("--threads", o.threads, "CPU threads; 0: all cores")->check(CLI::Range(0, 4096));
    app.add_option("--max-sequences", o.max_sequences, "sequences generated at once; 0: choose")
        ->check(CLI::Range(0, 4096));
    app.add_option("--max-queue", o.max_queue, "sequences waiting; more are answered 429")
        ->check(CLI::Range(0, 1 << 20));
    app.add_option("--max-step-tokens", o.max_step_tokens,
                   "tokens computed in one step: decode rows, then chunks of prompts; 0: choose")
        ->check(CLI::Range(0, 65536));
    app.add_option("--kv-cache-memory", o.kv_cache_memory, "bytes, or 512M, 4G; 0: choose")
        ->transform(CLI::AsSizeValue(false));
    app.add_flag("--prefix-cache,!--no-prefix-cache", o.prefix_cache,
                 "reuse what prompts have in common");
    app.add_option("--step-timeout", o.step_timeout, "seconds after which a step counts as stalled")
        ->check(positive());
    app.add_flag("--deterministic,!--no-deterministic", o.deterministic,
                 "the same text in any company, to the last bit; slower on a GPU");
    app.option_defaults()->group("Limits");
    app.add_option("--max-connections", o.max_connections, "clients at once")
        ->check(CLI::Range(1, 1 << 20));
    app.add_option("--max-body", o.max_body, "bytes of one request's body, or 8M")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--max-choices", o.max_choices, "choices of one request")
        ->check(CLI::Range(1, 4096));
    app.add_flag("--allow-priority,!--no-allow-priority", o.allow_priority,
                 "clients may say how urgent a request is; others wait");
    app.add_option("--header-timeout", o.header_timeout, "seconds for a request's headers")
        ->check(positive());
    app.add_option("--body-timeout", o.body_timeout, "seconds without any of a body coming")
        ->check(positive());
    app.add_option("--keepalive-timeout", o.keepalive_timeout, "seconds between requests")
        ->check(positive());
    app.add_option("--write-timeout", o.write_timeout,
                   "seconds without progress of a client that does not read")
        ->check(positive());
    app.add_option("--ping-interval", o.ping_interval,
                   "seconds between comments on a stream that has nothing to say")
        ->check(positive());
    app.add_option("--drain-timeout", o.drain_timeout,
                   "seconds answers may take to finish after SIGTERM")
        ->check(positive());
    app.option_defaults()->group("Options");
}

int parse_command_line(int argc, const char* const* argv, CommandLine& out) {
    CLI::App app("qwend serves Qwen2 and Qwen2.5 checkpoints over OpenAI's HTTP API.", "qwend");
    app.footer(kFooter);
    app.set_version_flag("--version", version_text());
    app.get_formatter()->column_width(34);
    app.option_defaults()->always_capture_default();
    app.set_config("--config", "", "configuration file; etc/qwend.conf explains every option")
        ->check(CLI::ExistingFile);
    app.allow_config_extras(CLI::config_extras_mode::error);
    define_options(app, out.options);
    app.fallthrough();
    app.require_subcommand(0, 1);
    app.add_subcommand("serve", "serve the model (the default)");
    auto* check = app.add_subcommand("check", "check configuration and checkpoint, like nginx -t");
    auto* generate = app.add_subcommand("generate", "answer one prompt on the terminal");
    GenerateOptions& g = out.generate;
    generate->add_option("prompt", g.prompt, "what to say to the model")->required();
    generate->add_option("--system", g.system, "system prompt");
    generate->add_option("--max-tokens", g.max_tokens, "0: to the end of the context");
    generate->add_option("--temperature", g.temperature, "0: greedy; default: the checkpoint's");
    generate->add_option("--seed", g.seed, "default: random");
    generate->add_flag("--raw", g.raw, "continue the text as it is, without the chat template");
    for (auto* command : {check, generate}) command->configurable(false);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : kExitUsage;
    }
    if (generate->parsed()) out.command = Command::generate;
    if (check->parsed()) out.command = Command::check;
    if (out.options.model.empty()) {
        fmt::print(stderr,
                   "qwend: no model given. Clone one and name its folder:\n"
                   "  git clone https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct\n"
                   "  qwend serve --model Qwen2.5-0.5B-Instruct\n"
                   "or try the one that comes with the sources: make demo\n");
        return kExitUsage;
    }
    return -1;
}

namespace {

bool is_loopback(std::string_view address) {
    return address.starts_with("unix:") || address.starts_with("127.") ||
           address.starts_with("[::1]:") || address.starts_with("localhost:");
}

}  // namespace

std::string check_options(const Options& options, bool has_api_keys) {
    if (has_api_keys || options.insecure_no_auth) return {};
    for (const std::string& address : options.listen)
        if (!is_loopback(address))
            return fmt::format(
                "listen {} can be reached from other machines, and no API keys are "
                "set; set api-key-file, listen on 127.0.0.1 or a unix socket behind "
                "nginx, or say insecure-no-auth",
                address);
    return {};
}

}  // namespace qwend
