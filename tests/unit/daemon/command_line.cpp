// The command line, and the file that it names.

#include "daemon/command_line.h"

#include <doctest/doctest.h>

#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

int parse(std::vector<const char*> arguments, CommandLine& line) {
    arguments.insert(arguments.begin(), "qwend");
    return parse_command_line(int(arguments.size()), arguments.data(), line);
}

}  // namespace

TEST_CASE("command_line: flags override the file, which overrides the defaults") {
    TempDir dir;
    const std::string path = dir.write("c.conf",
                                       "max-queue = 7\nmax-choices = 5\n"
                                       "kv-cache-memory = \"512M\"\nlisten = \"127.0.0.1:1\"\n")
                                 .string();
    CommandLine line;
    REQUIRE(parse({"serve", "--config", path.c_str(), "--model", "m", "--max-queue", "9",
                   "--no-prefix-cache", "--max-body", "16M"},
                  line) == -1);
    CHECK(line.command == Command::serve);
    CHECK(line.config == path);
    CHECK(line.options.max_queue == 9);
    CHECK(line.options.max_choices == 5);
    CHECK(line.options.kv_cache_memory == 512u << 20);
    CHECK(line.options.max_body == 16u << 20);
    CHECK(line.options.listen == std::vector<std::string>{"127.0.0.1:1"});
    CHECK_FALSE(line.options.prefix_cache);
    REQUIRE(parse({"--config", path.c_str(), "--model", "m", "--listen", "127.0.0.1:2", "--listen",
                   "unix:/x", "check"},
                  line) == -1);
    CHECK(line.command == Command::check);
    CHECK(line.options.listen == std::vector<std::string>{"127.0.0.1:2", "unix:/x"});
    CHECK(line.options.max_queue == 7);
}

TEST_CASE("command_line: a prompt stays one behind any flag") {
    CommandLine line;
    REQUIRE(parse({"generate", "--model", "m", "--served-model-name", "a", "hello there"}, line) ==
            -1);
    CHECK(line.command == Command::generate);
    CHECK(line.generate.prompt == "hello there");
    CHECK(line.options.served_model_name == std::vector<std::string>{"a"});
    REQUIRE(parse({"generate", "--model", "m", "-"}, line) == -1);
    CHECK(line.generate.prompt == "-");
    REQUIRE(parse({"generate", "--model", "m", "--seed", "5", "--temperature", "0.5",
                   "--max-tokens", "3", "x"},
                  line) == -1);
    CHECK((line.generate.seed == 5 && line.generate.temperature == 0.5));
    CHECK(line.generate.max_tokens == 3);
    REQUIRE(parse({"generate", "--model", "m", "x"}, line) == -1);
    CHECK((line.generate.seed == -1 && line.generate.temperature == -1));
}

TEST_CASE("command_line: mistakes are usage errors, those in the file are the configuration's") {
    CommandLine line;
    CHECK(parse({}, line) == kExitUsage);
    const std::vector<std::vector<const char*>> mistakes = {
        {"--nonsense"},
        {"nonsense"},
        {"serve", "check"},
        {"--max-sequences", "-1"},
        {"--max-sequences"},
        {"--max-sequences", "x"},
        {"--device", "tpu"},
        {"--max-body", "0"},
        {"--kv-cache-memory", "-1"},
        {"--listen", "127.0.0.1:99999"},
        {"--listen", "localhost"},
        {"--served-model-name", ""},
        {"--drain-timeout", "nan"},
        {"--step-timeout", "0"},
        {"generate", "--seed", "abc", "x"},
        {"generate", "--seed", "-1", "x"},
        {"generate", "--temperature", "nan", "x"},
        {"generate", "--temperature", "-1", "x"},
        {"generate", "--max-tokens", "-1", "x"},
        {"generate", "x", "y"}};
    for (const auto& mistake : mistakes) {
        std::vector<const char*> arguments = mistake;
        arguments.insert(arguments.end(), {"--model", "m"});
        CAPTURE(mistake);
        CHECK(parse(arguments, line) == kExitUsage);
    }
    TempDir dir;
    const std::string bad = dir.write("bad.conf", "no-such-option = 1\n").string();
    CHECK(parse({"--config", bad.c_str(), "--model", "m"}, line) == kExitConfig);
    CHECK(parse({"--config", "/nonexistent", "--model", "m"}, line) == kExitConfig);
    const std::string empty = dir.write("empty.conf", "").string();
    CHECK(parse({"--config", empty.c_str()}, line) == kExitConfig);  // no model is set there
    for (auto wish : {"--version", "--help", "help"}) CHECK(parse({wish}, line) == 0);
    for (auto command : {"serve", "check", "generate"}) {
        CHECK(parse({command, "--help"}, line) == 0);
        CHECK(parse({"help", command}, line) == 0);
    }
}
