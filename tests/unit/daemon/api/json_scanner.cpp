#include "daemon/api/json_scanner.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <random>

using namespace qwend;

namespace {

JsonScanner::Status scan(std::string_view text) {
    JsonScanner scanner;
    auto status = JsonScanner::Status::open;
    for (char c : text) {
        status = scanner.push(c);
        if (status == JsonScanner::Status::error) break;
    }
    return status;
}

// Whether some exponent has three digits or more, so that its number may be beyond a double.
bool has_long_exponent(std::string_view text) {
    for (size_t i = text.find_first_of("eE"); i != text.npos; i = text.find_first_of("eE", i + 1)) {
        const size_t first = text.find_first_not_of('+', i + 1);
        if (first == text.npos) return false;
        const size_t end = std::min(text.find_first_not_of("0123456789", first), text.size());
        if (end - first >= 3) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("json_scanner: agrees with a parser on random containers") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {"{",     "}",      "[",     "]",    ",",   ":",  "\"",
                                            "\"a\"", "\"a\":", "1",     "-",    "0",   ".5", "e",
                                            "E+2",   "true",   "false", "null", "nul", " ",  "\n",
                                            "\\n",   "\\u",    "00e9",  "\\",   "x"};
    int n_valid = 0;
    for (int round = 0; round < 100000; round++) {
        std::string text(1, random() % 2 ? '{' : '[');
        for (size_t n = random() % 7; n > 0; n--) text += parts[random() % parts.size()];
        if (random() % 2) text += text[0] == '{' ? '}' : ']';
        // A parser refuses control characters in strings, and numbers that no double holds.
        if (text.find('\n') != std::string::npos || has_long_exponent(text)) continue;
        simdjson::dom::parser parser;
        const bool valid = parser.parse(text).error() == simdjson::SUCCESS;
        const std::string trimmed = text.substr(0, text.find_last_not_of(' ') + 1);
        CAPTURE(text);
        REQUIRE((scan(trimmed) == JsonScanner::Status::done) == valid);
        n_valid += valid;
    }
    CHECK(n_valid > 1000);
}

TEST_CASE("json_scanner: refuses at the first byte that cannot be right") {
    for (const std::string_view text :
         {"{a", "{,", "{\"a\" \"", "{\"a\":,", "[01", "[1.a", "[-a", "[1e,", "[tx", "[\"\\x",
          "[\"\\u12g", "[}", "{]", "[1 2", "{\"a\":1,}", "[1,]", "{}x", "x", "]"}) {
        CAPTURE(text);
        CHECK(scan(text.substr(0, text.size() - 1)) != JsonScanner::Status::error);
        CHECK(scan(text) == JsonScanner::Status::error);
    }
    CHECK(scan(std::string(100000, '[') + std::string(100000, ']')) == JsonScanner::Status::done);
}

TEST_CASE("json_scanner: strings without their escapes, objects without their faults") {
    CHECK(unescape_json(R"(a\"\\\/\b\f\n\r\t)") == "a\"\\/\b\f\n\r\t");
    CHECK(unescape_json(R"(\u0041\u00e9\u4F60\ud83d\ude00)") == "Aé你😀");
    CHECK(unescape_json(R"(\ud83dx\ude00\ud83d\u0041)") == "\uFFFDx\uFFFD\uFFFDA");
    CHECK(clean_json_object(" {\"a\": \"\n\"}\n") == R"({"a": "\n"})");
    for (const char* text : {"", " ", "[]", "{", "{} x", "{}{}", "1"})
        CHECK(clean_json_object(text).empty());
}
