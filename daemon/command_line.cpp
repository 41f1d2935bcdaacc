#include "daemon/command_line.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config_file.h"
#include "daemon/did_you_mean.h"
#include "daemon/log.h"
#include "daemon/option_values.h"
#include "daemon/version.h"
#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr const char* kFooter = R"(
Getting started:
  git clone https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct    (needs git-lfs)
  qwend check --model Qwen2.5-0.5B-Instruct
  qwend serve --model Qwen2.5-0.5B-Instruct
  curl -N localhost:8000/v1/chat/completions -d
    '{"messages":[{"role":"user","content":"hello"}],"stream":true}'

Exit codes: 0 drained, 64 usage, 69 no such device, 70 accelerator fault or
another failure that a restart may mend, 78 configuration or model.)";

/// A command's help lists its own options and those of the daemon that concern it.
class HelpFormatter : public CLI::Formatter {
  public:
    std::string make_help(const CLI::App* app, std::string name,
                          CLI::AppFormatMode mode) const override {
        const CLI::App* parent = app->get_parent();
        if (!parent || mode == CLI::AppFormatMode::Sub)
            return Formatter::make_help(app, std::move(name), mode);
        std::string out = make_description(app) + make_usage(app, std::move(name)) +
                          make_positionals(app) + make_groups(app, mode);
        for (const std::string& group : parent->get_groups()) {
            const bool of_serving = group == "Network" || group == "Limits";
            if (group == "Options" || (of_serving && app->get_name() == "generate")) continue;
            const auto options = parent->get_options(
                [&](const CLI::Option* option) { return option->get_group() == group; });
            if (!options.empty()) out += make_group(group, false, options);
        }
        return out + make_footer(app);
    }

    /// "NUMBER=256" instead of "INT:NUMBER=256".
    std::string make_option_opts(const CLI::Option* option) const override {
        const std::string type = option->get_type_name(), by_default = default_of(*option);
        std::string out;
        if (option->get_type_size() != 0) out += " " + type.substr(type.rfind(':') + 1);
        if (!by_default.empty()) out += "=" + by_default;
        return out;
    }
};

void define_generate(CLI::App& app, GenerateOptions& g) {
    app.add_option("PROMPT", g.prompt, "what to say to the model; - or none: standard input");
    app.add_option("--system", g.system, "system prompt");
    app.add_option("--max-tokens", g.max_tokens, "0: to the end of the context")
        ->check(whole_number(0, std::numeric_limits<int>::max()));
    app.add_option("--temperature", g.temperature, "0: greedy; default: the checkpoint's")
        ->check(number(0, 2))
        ->default_str("");
    app.add_option("--seed", g.seed, "default: random")
        ->check(whole_number(0, std::numeric_limits<int64_t>::max()))
        ->default_str("");
    app.add_flag("--raw", g.raw, "continue the text as it is, without the chat template");
}

void define_check(CLI::App& app, CheckOptions& c) {
    auto* quality = app.add_flag("--quality", c.quality,
                                 "measure what quantised weights cost, by a text: takes a minute");
    app.add_option("--against", c.against,
                   "what --quality compares with, if not the model's own files: a folder")
        ->type_name("FOLDER")
        ->needs(quality);
}

/// What CLI11 says of a mistake, and what was meant.
std::string explain(const CLI::ParseError& error, const CLI::App& app) {
    if (!dynamic_cast<const CLI::ExtrasError*>(&error)) return excerpt(error.what(), 512);
    const std::vector<std::string> extras = app.remaining(true);
    const std::string word = extras.empty() ? "" : extras[0];
    if (!word.starts_with("-")) {
        const bool could_be_model = std::filesystem::exists(word) || word.find('/') != word.npos;
        return fmt::format("unexpected \"{}\"; {}", excerpt(word),
                           could_be_model ? "name the checkpoint with --model " + excerpt(word)
                                          : "expected serve, check or generate");
    }
    std::vector<std::string> names;
    for (const CLI::App* part : app.get_subcommands())
        for (const CLI::Option* option : part->get_options())
            for (const std::string& name : option->get_lnames()) names.push_back(name);
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back(name);
    const std::string_view bare = std::string_view(word).substr(word.find_first_not_of('-'));
    const std::string meant = did_you_mean(bare.substr(0, bare.find('=')), names);
    return fmt::format("unknown option {}{}", excerpt(word),
                       meant.empty() ? "; qwend --help lists them all"
                                     : fmt::format("; did you mean --{}?", meant));
}

/// The flags alone, over what is in `out.options` already.
int parse_flags(int argc, const char* const* argv, CommandLine& out) {
    CLI::App app("qwend serves Qwen2 and Qwen2.5 checkpoints over OpenAI's HTTP API.", "qwend");
    app.formatter(std::make_shared<HelpFormatter>());
    app.footer(kFooter);
    app.set_version_flag("--version", version_text());
    app.get_formatter()->column_width(34);
    app.option_defaults()->always_capture_default();
    app.add_option("--config", out.config,
                   "configuration file; etc/qwend.conf explains every option")
        ->type_name("FILE")
        ->group("Configuration");
    define_options(app, out.options);
    app.fallthrough();
    app.require_subcommand(0, 1);
    CLI::App* serve = app.add_subcommand("serve", "serve the model (the default)");
    CLI::App* check =
        app.add_subcommand("check", "check configuration and checkpoint, like nginx -t");
    CLI::App* generate = app.add_subcommand("generate", "answer one prompt on the terminal");
    define_generate(*generate, out.generate);
    define_check(*check, out.check);
    for (CLI::App* command : {serve, check, generate})
        command->footer("qwend --help shows how to begin and what the exit codes mean.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wish) {
        return app.exit(wish);
    } catch (const CLI::ParseError& error) {
        complain(explain(error, app));
        return kExitUsage;
    }
    out.generate.has_prompt = generate->count("PROMPT") > 0;
    out.command = generate->parsed() ? Command::generate
                  : check->parsed()  ? Command::check
                                     : Command::serve;
    return -1;
}

/// To whom nothing is known of a model yet: an administrator who has just started the service, or
/// somebody at a terminal.
int teach_model(const CommandLine& line) {
    if (!line.config.empty()) {
        complain(
            fmt::format("no model is set in {}. Put a checkpoint where the service may read it, "
                        "and name its folder there:\n"
                        "  git clone https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct "
                        "/var/lib/qwend/Qwen2.5-0.5B-Instruct\n"
                        "  model = \"/var/lib/qwend/Qwen2.5-0.5B-Instruct\"\n"
                        "then: systemctl restart qwend",
                        line.config.string()));
        return kExitConfig;
    }
    complain(
        "no model given. Clone one and name its folder:\n"
        "  git clone https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct\n"
        "  qwend serve --model Qwen2.5-0.5B-Instruct\n"
        "or try the one that comes with the sources: make demo");
    return kExitUsage;
}

int check_prompt(const CommandLine& line) {
    if (line.command != Command::generate || line.generate.has_prompt || !isatty(STDIN_FILENO))
        return -1;
    complain(
        "no prompt given. Write it behind the options, or pipe it in:\n"
        "  qwend generate --model Qwen2.5-0.5B-Instruct \"Why is the sky blue?\"\n"
        "  qwend generate --model Qwen2.5-0.5B-Instruct < prompt.txt");
    return kExitUsage;
}

}  // namespace

int parse_command_line(int argc, const char* const* argv, CommandLine& out) {
    std::vector<const char*> words(argv, argv + argc);
    // "qwend help serve" is "qwend serve --help".
    if (words.size() > 1 && std::string_view(words[1]) == "help") {
        words.erase(words.begin() + 1);
        words.push_back("--help");
    }
    out = {};
    if (const int code = parse_flags(int(words.size()), words.data(), out); code >= 0) return code;
    if (!out.config.empty()) {
        // Again, since flags override the file.
        const auto config = out.config;
        out = {};
        try {
            load_config_file(config, out.options);
        } catch (const LoadError& error) {
            complain(error.what());
            return kExitConfig;
        }
        if (const int code = parse_flags(int(words.size()), words.data(), out); code >= 0)
            return code;
    }
    if (out.options.model.empty()) return teach_model(out);
    return check_prompt(out);
}

}  // namespace qwend
