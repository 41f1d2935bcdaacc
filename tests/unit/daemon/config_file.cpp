// The configuration file: what it may look like, and what is said of what it may not.

#include "daemon/config_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string error_of(const std::string& text) {
    TempDir dir;
    Options options;
    try {
        load_config_file(dir.write("c.conf", text), options);
    } catch (const LoadError& error) {
        const std::string what = error.what();
        REQUIRE(what.starts_with((dir.path() / "c.conf").string() + ":"));
        return what.substr((dir.path() / "c.conf").string().size() + 1);
    }
    return {};
}

Options loaded(const std::string& text) {
    TempDir dir;
    Options options;
    load_config_file(dir.write("c.conf", text), options);
    return options;
}

}  // namespace

TEST_CASE("config_file: strings, words, lists and comments") {
    const auto entries = parse_config(
        "\xEF\xBB\xBF# first\r\n"
        "a = 1 # one\r\n"
        "\n"
        "b=\"x # \\\"y\\\" \\\\ \\t\"\n"
        "  c =   'it\\s'   \n"
        "d = [ \"p q\", # two\n"
        "  'r', 3,\n"
        "]\n"
        "e = []\n"
        "f = \"\"\n"
        "g = /a/b-c_d.e",
        "name");
    REQUIRE(entries.size() == 7);
    CHECK((entries[0].key == "a" && entries[0].line == 2 && entries[0].values[0] == "1"));
    CHECK((entries[1].line == 4 && entries[1].values[0] == "x # \"y\" \\ \t"));
    CHECK(entries[2].values[0] == "it\\s");
    CHECK(entries[3].values == std::vector<std::string>{"p q", "r", "3"});
    CHECK(entries[3].is_list);
    CHECK((entries[4].is_list && entries[4].values.empty() && entries[4].line == 9));
    CHECK(entries[5].values == std::vector<std::string>{""});
    CHECK(entries[6].values == std::vector<std::string>{"/a/b-c_d.e"});
    CHECK(parse_config("", "name").empty());
    CHECK(parse_config("# only a comment", "name").empty());
}

TEST_CASE("config_file: what is set is set, the rest stays") {
    const Options options = loaded(
        "listen = [\"127.0.0.1:1\", \"unix:/x\"]\nmax-queue = 7\nkv-cache-memory = 512M\n"
        "max-body = \"8MiB\"\nprefix-cache = false\ndeterministic = true\ndrain-timeout = 2.5\n"
        "served-model-name = one\napi-key-file = \"\"\ncors-origins = []\n");
    CHECK(options.listen == std::vector<std::string>{"127.0.0.1:1", "unix:/x"});
    CHECK(options.max_queue == 7);
    CHECK(options.kv_cache_memory == 512u << 20);
    CHECK(options.max_body == 8u << 20);
    CHECK_FALSE(options.prefix_cache);
    CHECK(options.deterministic);
    CHECK(options.drain_timeout == 2.5);
    CHECK(options.served_model_name == std::vector<std::string>{"one"});
    CHECK(options.max_connections == Options().max_connections);
}

TEST_CASE("config_file: every mistake has its line, and what was expected and found") {
    struct {
        const char *text, *error;
    } cases[] = {
        {"max-que = 1", "1: unknown option max-que; did you mean max-queue?"},
        {"\n\nmax_queue = 1", "3: unknown option max_queue; did you mean max-queue?"},
        {"port = 80", "1: unknown option port; did you mean listen?"},
        {"max-num-seqs = 8", "1: unknown option max-num-seqs; did you mean max-sequences?"},
        {"help = true", "1: unknown option help"},
        {"config = \"x\"", "1: unknown option config"},
        {"no-prefix-cache = true", "1: unknown option no-prefix-cache; did you mean prefix-cache?"},
        {"xyzzyplugh = 1", "1: unknown option xyzzyplugh; qwend --help lists them all"},
        {"#\nmax-queue = many",
         "2: max-queue: expected a whole number from 0 to 1048576, found "
         "\"many\""},
        {"max-queue = -1", "1: max-queue: expected a whole number"},
        {"max-queue = 1.5", "found \"1.5\""},
        {"max-queue = \"\"", "1: max-queue: expected a whole number"},
        {"max-queue = 99999999999999999999", "1: max-queue: expected a whole number"},
        {"max-queue = [1, 2]", "1: max-queue: expected one value, found a list"},
        {"max-queue = 1\n\nmax-queue = 2",
         "3: max-queue: expected it once, found it on line 1 too"},
        {"max-body = 0",
         "1: max-body: expected a size in bytes, or like 512M or 4G, from 1K to 1G"},
        {"max-body = 4000G", "found \"4000G\""},
        {"kv-cache-memory = -1", "1: kv-cache-memory: expected a size"},
        {"kv-cache-memory = 17179869184G", "1: kv-cache-memory: expected a size"},
        {"kv-cache-memory = 4Q", "1: kv-cache-memory: expected a size"},
        {"gpu-memory-utilization = 1.1", "1: gpu-memory-utilization: expected a number from 0.01"},
        {"drain-timeout = nan", "1: drain-timeout: expected a number of seconds"},
        {"drain-timeout = inf", "1: drain-timeout: expected a number of seconds"},
        {"drain-timeout = -3", "found \"-3\""},
        {"prefix-cache = maybe", "1: prefix-cache: expected true or false, found \"maybe\""},
        {"prefix-cache = \"\"", "1: prefix-cache: expected true or false, found \"\""},
        {"device = tpu", "1: device: expected one of auto, cpu, cuda, found \"tpu\""},
        {"served-model-name = [\"\"]", "1: served-model-name: expected a name, found \"\""},
        {"served-model-name = \"\"", "1: served-model-name: expected a name, found \"\""},
        {"served-model-name = [\"a\", \" \"]", "1: served-model-name: expected a name"},
        {"cors-origins = [\"\"]", "1: cors-origins: expected an origin"},
        {"listen = []", "1: listen: expected at least one value, found none"},
        {"listen = \"127.0.0.1:99999\"", "1: listen: expected a port from 1 to 65535"},
        {"listen = \"8000\"", "1: listen: expected HOST:PORT"},
        {"[server]", "1: expected KEY = VALUE, found a section"},
        {"max-queue 5", "1: expected KEY = VALUE, found \"max-queue5\""},
        {"max-queue: 5", "1: expected KEY = VALUE"},
        {"= 5", "1: expected KEY = VALUE"},
        {"max-queue =", "1: expected a value"},
        {"max-queue = # later", "1: expected a value"},
        {"model = /a b", "1: model: expected the end of the line, found \"b\""},
        {"model = \"/a", "1: expected the string's end, \""},
        {"model = 'a\nb'", "1: expected the string's end, '"},
        {"model = \"C:\\x\"", "1: expected \\\" \\\\ \\n \\t or \\r, found \\x"},
        {"listen = [\"a\"\n\"b\"]", "expected , or ] after a list's value"},
        {"listen = [\"127.0.0.1:1\",\n", "expected the list's end"},
    };
    for (auto& [text, error] : cases) {
        const std::string said = error_of(text);
        CHECK_MESSAGE(said.find(error) != std::string::npos, text, " gives ", said);
    }
}

TEST_CASE("config_file: no error is long, whatever the file holds") {
    const std::string big(100'000, 'q');
    for (const std::string& text :
         {big, big + " = 1", "model = " + big + " " + big, "listen = " + big, big + " = [1",
          big + " = [1 2]", "prefix-cache = " + big, "max-queue = " + big, "max-body = " + big,
          "device = " + big, "drain-timeout = " + big, "listen = \"unix:" + big + "\"",
          "listen = " + big + ":80", "listen = \"127.0.0.1:" + big + "\"", "listen = x:" + big})
        CHECK_MESSAGE((!error_of(text).empty() && error_of(text).size() < 500), text.substr(0, 40));
}

TEST_CASE("config_file: one that cannot be read says why") {
    Options options;
    CHECK_THROWS_WITH_AS(load_config_file("/nonexistent/c.conf", options),
                         doctest::Contains("No such file"), LoadError);
    CHECK_THROWS_WITH_AS(load_config_file("/", options), doctest::Contains("Is a directory"),
                         LoadError);
}
