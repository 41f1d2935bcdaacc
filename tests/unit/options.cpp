// etc/qwend.conf is the manual: it names every option with its real default.

#include "daemon/options.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "model/json.h"
#include "temp_dir.h"

using namespace qwend;

namespace {

int parse(std::vector<const char*> arguments, CommandLine& line) {
    arguments.insert(arguments.begin(), "qwend");
    return parse_command_line(int(arguments.size()), arguments.data(), line);
}

}  // namespace

TEST_CASE("options: the reference configuration has every option, and its default") {
    std::string text = read_file("etc/qwend.conf");
    CLI::App app;
    Options defaults;
    define_options(app, defaults);
    std::string uncommented;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with('#') && line.size() > 1 && std::islower(uint8_t(line[1])) &&
            line.find(" = ") != std::string::npos)
            uncommented += line.substr(1) + "\n";
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
        CAPTURE(option->get_lnames()[0]);
        CHECK(("\n" + uncommented).find("\n" + option->get_lnames()[0] + " = ") !=
              std::string::npos);
    }
    // Read back, the lines that have a real default change nothing.
    for (auto example : {"model =", "served-model-name =", "api-key-file =", "cors-origins ="}) {
        const size_t at = ("\n" + uncommented).find("\n" + std::string(example));
        REQUIRE(at != std::string::npos);
        uncommented.erase(at, uncommented.find('\n', at) - at + 1);
    }
    TempDir dir;
    const std::string path = dir.write("c.conf", uncommented).string();
    CommandLine line;
    REQUIRE(parse({"--config", path.c_str(), "--model", "m"}, line) == -1);
    const Options& o = line.options;
    CHECK(o.listen == defaults.listen);
    CHECK(o.log_level == defaults.log_level);
    CHECK(o.device == defaults.device);
    CHECK(o.insecure_no_auth == defaults.insecure_no_auth);
    CHECK(o.prefix_cache == defaults.prefix_cache);
    CHECK(o.max_body == defaults.max_body);
    CHECK(o.kv_cache_memory == defaults.kv_cache_memory);
    for (auto member :
         {&Options::threads, &Options::max_context, &Options::max_sequences, &Options::max_queue,
          &Options::max_step_tokens, &Options::max_connections, &Options::max_choices})
        CHECK(o.*member == defaults.*member);
    for (auto member : {&Options::step_timeout, &Options::header_timeout, &Options::body_timeout,
                        &Options::keepalive_timeout, &Options::write_timeout,
                        &Options::ping_interval, &Options::drain_timeout})
        CHECK(o.*member == defaults.*member);
}

TEST_CASE("options: flags override the file, which overrides the defaults") {
    TempDir dir;
    const std::string path =
        dir.write("c.conf", "max-queue = 7\nmax-choices = 5\nkv-cache-memory = \"512M\"\n")
            .string();
    CommandLine line;
    REQUIRE(parse({"serve", "--config", path.c_str(), "--model", "m", "--max-queue", "9",
                   "--no-prefix-cache"},
                  line) == -1);
    CHECK(line.options.max_queue == 9);
    CHECK(line.options.max_choices == 5);
    CHECK(line.options.kv_cache_memory == 512u << 20);
    CHECK_FALSE(line.options.prefix_cache);
}

TEST_CASE("options: mistakes are usage errors") {
    CommandLine line;
    CHECK(parse({}, line) == kExitUsage);
    CHECK(parse({"--model", "m", "--nonsense"}, line) == kExitUsage);
    CHECK(parse({"--model", "m", "--max-sequences", "-1"}, line) == kExitUsage);
    CHECK(parse({"--model", "m", "--device", "tpu"}, line) == kExitUsage);
    TempDir dir;
    const std::string path = dir.write("c.conf", "no-such-option = 1\n").string();
    CHECK(parse({"--config", path.c_str(), "--model", "m"}, line) == kExitUsage);
    CHECK(parse({"--version"}, line) == 0);
    CHECK(parse({"--help"}, line) == 0);
}

TEST_CASE("options: another machine's address needs keys, or to be told") {
    Options options;
    options.listen = {"127.0.0.1:1", "unix:/x", "[::1]:2", "localhost:3"};
    CHECK(check_options(options, false).empty());
    options.listen = {"0.0.0.0:8000"};
    CHECK_FALSE(check_options(options, false).empty());
    CHECK(check_options(options, true).empty());
    options.insecure_no_auth = true;
    CHECK(check_options(options, false).empty());
}
