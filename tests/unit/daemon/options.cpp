// etc/qwend.conf is the manual: it names every option with its real default.

#include "daemon/options.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <set>
#include <sstream>

#include "daemon/config_file.h"
#include "model/json.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// The manual with every `#option = value` line made a setting; a comment's prose stays one.
std::string uncommented(const std::string& text) {
    std::string out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const bool sets = line.size() > 1 && line[0] == '#' && std::islower(uint8_t(line[1]));
        out += (sets ? line.substr(1) : line) + "\n";
    }
    return out;
}

std::set<std::string> option_names() {
    CLI::App app;
    Options options;
    define_options(app, options);
    std::set<std::string> names;
    for (const CLI::Option* option : app.get_options())
        if (!option->get_lnames().empty()) names.insert(option->get_lnames()[0]);
    names.erase("help");
    return names;
}

/// Everything an Options has, as text: what --help shows as defaults.
std::string described(Options options) {
    CLI::App app;
    app.option_defaults()->always_capture_default();
    define_options(app, options);
    std::string text;
    for (const CLI::Option* option : app.get_options())
        text += option->get_name() + "=" + option->get_default_str() + "\n";
    return text + (options.prefix_cache ? "+" : "-") + (options.speculation ? "+" : "-") +
           (options.deterministic ? "+" : "-") + (options.insecure_no_auth ? "+" : "-") +
           (options.allow_priority ? "+" : "-");
}

}  // namespace

TEST_CASE("options: the reference configuration has every option") {
    std::set<std::string> named;
    for (const ConfigEntry& entry : parse_config(uncommented(read_file("etc/qwend.conf")), "conf"))
        named.insert(entry.key);
    CHECK(named == option_names());
}

TEST_CASE(
    "options: every line of the reference configuration may be uncommented, and is a default") {
    TempDir dir;
    const std::string text = uncommented(read_file("etc/qwend.conf"));
    Options loaded;
    load_config_file(dir.write("c.conf", text), loaded);
    // The two that have no default show an example.
    CHECK_FALSE(loaded.model.empty());
    CHECK_FALSE(loaded.served_model_name.empty());
    loaded.model.clear(), loaded.served_model_name.clear();
    CHECK(described(loaded) == described(Options()));
    // As it is shipped, it sets nothing.
    Options shipped;
    load_config_file("etc/qwend.conf", shipped);
    CHECK(described(shipped) == described(Options()));
}

TEST_CASE("options: what does not go together is refused") {
    Options options;
    CHECK(check_options(options).empty());
    options.max_sequences = 64, options.max_step_tokens = 64;
    CHECK(check_options(options).empty());
    options.max_sequences = 65;
    CHECK(check_options(options).find("max-step-tokens 64") != std::string::npos);
    options.max_step_tokens = 0;  // chosen to fit
    CHECK(check_options(options).empty());
    options.listen.clear();
    CHECK_FALSE(check_options(options).empty());
}

TEST_CASE("options: addresses that are given twice, origins that no page has") {
    Options options;
    options.listen = {"127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:0", "127.0.0.1:0"};
    CHECK(check_options(options).empty());
    options.listen.push_back("127.0.0.1:8000");
    CHECK(check_options(options).find("8000 is given twice") != std::string::npos);
    options.listen.pop_back();
    options.cors_origins = {"*", "null", "https://app.example", "http://[::1]:3000", "tauri://x"};
    CHECK(check_options(options).empty());
    for (const char* bad : {"app.example", "https://app.example/", "https://", "://x", "",
                            "https://*.example", "https://a.example, https://b.example"}) {
        CAPTURE(bad);
        options.cors_origins = {bad};
        CHECK(check_options(options).starts_with("cors-origins: expected"));
    }
}
