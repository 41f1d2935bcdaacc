// What values may be, in the words that say what they may not.

#include "daemon/option_values.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using namespace qwend;

namespace {

/// Empty if it is one; `text` becomes what the option gets.
std::string check(const CLI::Validator& validator, std::string& text) {
    return validator(text);
}
bool takes(const CLI::Validator& validator, std::string text) {
    return check(validator, text).empty();
}

}  // namespace

TEST_CASE("option_values: numbers are whole texts within bounds") {
    for (const char* good : {"0", "7", "4096", "007"})
        CHECK_MESSAGE(takes(whole_number(0, 4096), good), std::string(good));
    for (const char* bad : {"", " 1", "1 ", "+1", "-1", "4097", "1e3", "0x10", "1.0", "x",
                            "99999999999999999999", "1\n"})
        CHECK_MESSAGE(!takes(whole_number(0, 4096), bad), std::string(bad));
    for (const char* good : {"0.5", "1", "1e0", ".5"})
        CHECK_MESSAGE(takes(number(0, 1), good), std::string(good));
    for (const char* bad : {"", "nan", "-nan", "inf", "-inf", "1.01", "-0.1", "1e999", "0,5", "x"})
        CHECK_MESSAGE(!takes(number(0, 1), bad), std::string(bad));
    for (const char* bad : {"0", "-1", "nan", "inf", "1e10", "5s"})
        CHECK_MESSAGE(!takes(seconds(), bad), std::string(bad));
}

TEST_CASE("option_values: sizes have units of 1,024, and overflow nothing") {
    const CLI::Validator size = size_in_bytes(1024, uint64_t(1) << 42, true);
    for (auto& [text, bytes] :
         std::initializer_list<std::pair<const char*, const char*>>{{"0", "0"},
                                                                    {"1024", "1024"},
                                                                    {"1K", "1024"},
                                                                    {"8m", "8388608"},
                                                                    {"8MB", "8388608"},
                                                                    {"8MiB", "8388608"},
                                                                    {"4G", "4294967296"},
                                                                    {"1T", "1099511627776"}}) {
        std::string given = text;
        CHECK(check(size, given).empty());
        CHECK(given == bytes);
    }
    for (const char* bad : {"", "K", "-1", "1023", "1.5G", "4 G", "4GG", "4X", "5T", "1KMi",
                            "18446744073709551616", "18014398509481985K", "99999999T"})
        CHECK_MESSAGE(!takes(size, bad), std::string(bad));
    std::string zero = "0";
    CHECK(check(size_in_bytes(1024, 1 << 20, false), zero) ==
          "expected a size in bytes, or like 512M or 4G, from 1K to 1M, found \"0\"");
}

TEST_CASE("option_values: words, names and addresses") {
    CHECK(takes(one_of({"auto", "cpu"}), "cpu"));
    for (const char* bad : {"", "CPU", "cpu ", "gpu"}) CHECK(!takes(one_of({"auto", "cpu"}), bad));
    CHECK(takes(not_empty("a name"), "x"));
    for (const char* bad : {"", " ", "\t"}) CHECK(!takes(not_empty("a name"), bad));
    CHECK(takes(listen_address(), "127.0.0.1:8000"));
    CHECK(!takes(listen_address(), "127.0.0.1:65536"));
    std::string word = "gpu";
    CHECK(message_of(CLI::ValidationError("--device", check(one_of({"auto", "cpu"}), word))) ==
          "expected one of auto, cpu, found \"gpu\"");
}

TEST_CASE("option_values: an empty list is no default, whatever this CLI11 calls it") {
    CLI::App app;
    std::vector<std::string> none, some = {"a"};
    app.option_defaults()->always_capture_default();
    CHECK(qwend::default_of(*app.add_option("--none", none)).empty());
    CHECK_FALSE(qwend::default_of(*app.add_option("--some", some)).empty());
}
