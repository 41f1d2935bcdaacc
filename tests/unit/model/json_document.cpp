// What is JSON and what is not, where it stops being it, and that values come out as they went in.

#include "model/json_document.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <random>

using namespace qwend;

namespace {

std::string repeat(std::string_view text, int n) {
    std::string out;
    for (int i = 0; i < n; i++) out += text;
    return out;
}

/// A random JSON text, or one that nearly is.
std::string random_text(std::mt19937& random) {
    static const std::vector<std::string> kPieces = {"{",      "}",
                                                     "[",      "]",
                                                     ",",      ":",
                                                     "\"a\"",  "\"b\\n\"",
                                                     "\"é\"",  "1",
                                                     "-0",     "1.5e3",
                                                     "01",     "1.",
                                                     "true",   "null",
                                                     "false",  "nul",
                                                     " ",      "\n",
                                                     "\"\\x",  "\"\\ud83d\\ude00\"",
                                                     "\"",     "\xFF",
                                                     "\"\t\"", "-",
                                                     "1e5"};
    std::string text;
    for (int n = int(random() % 12); n >= 0; n--) text += kPieces[random() % kPieces.size()];
    return text;
}

}  // namespace

TEST_CASE("json_document: takes what simdjson takes, and nothing else") {
    std::mt19937 random(7);
    simdjson::dom::parser reference;
    int n_good = 0;
    auto agree = [&](const std::string& text) {
        CAPTURE(text);
        JsonDocument document;
        const auto fault = document.parse(text);
        const bool good =
            reference.parse(simdjson::padded_string(text)).error() == simdjson::SUCCESS;
        CHECK(!fault == good);
        if (fault) CHECK(fault->offset <= text.size());
        n_good += good;
    };
    for (int i = 0; i < 20000; i++) agree(random_text(random));
    for (int i = 0; i < 2000; i++) {
        std::string text = R"({"a":[1,-2.5e+3,"x\u00e9\n",{"b":null}],"c":{},"d":[],"e":true})";
        text[random() % text.size()] = "\"\\{}[],:0e- x"[random() % 13];
        agree(text);
    }
    CHECK(n_good > 200);
}

TEST_CASE("json_document: the byte at which a text stops being JSON") {
    struct Case {
        std::string text;
        size_t offset;
        JsonFault::Kind kind = JsonFault::syntax;
    };
    for (auto& c : std::vector<Case>{{"", 0},
                                     {"{\"prompt\":\"x\",}", 14},
                                     {"{\"prompt\" \"x\"}", 10},
                                     {"{} x", 3},
                                     {"[1,2", 4},
                                     {"[01]", 2},
                                     {"\"a\nb\"", 2},
                                     {"\"a\\qb\"", 3},
                                     {"\"\\u12g4\"", 5},
                                     {"[\"\xFF\"]", 2, JsonFault::encoding},
                                     {"[\"\xED\xA0\x80\"]", 2, JsonFault::encoding},
                                     {repeat("[", 5000), kMaxJsonDepth, JsonFault::depth}}) {
        CAPTURE(c.text);
        JsonDocument document;
        const auto fault = document.parse(c.text);
        REQUIRE(fault);
        CHECK(fault->offset == c.offset);
        CHECK(fault->kind == c.kind);
    }
    JsonDocument document;
    const std::string deep = repeat("[", kMaxJsonDepth) + repeat("]", kMaxJsonDepth);
    CHECK_FALSE(document.parse(deep));
    CHECK_FALSE(document.parse(" null "));
}

TEST_CASE("json_document: values of each type, and as they were written") {
    const std::string text =
        R"( {"n":18446744073709551616,"s":"a\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00",)"
        R"("half":"x\ud83dy\ude00\ud83d\n","d":[16.0,1e400,-2.5,1e-400,-7],"t":true,"o":{ }})";
    JsonDocument document;
    REQUIRE_FALSE(document.parse(text));
    const JsonValue root = document.root();
    int64_t n = 5;
    double d = 0;
    std::string s;
    bool b = false;
    const JsonValue big = *root.member("n");
    CHECK(big.raw() == "18446744073709551616");
    CHECK(big.is_integer());
    CHECK_FALSE(big.get(n));
    CHECK(n == 5);
    CHECK(big.get(d));
    CHECK(d == 18446744073709551616.0);
    REQUIRE(root.member("s")->get(s));
    CHECK(s == "a\"\\/\b\f\n\r\té\u00e9\U0001F600");
    REQUIRE(root.member("half")->get(s));
    CHECK(s == "x\uFFFDy\uFFFD\uFFFD\n");
    std::vector<JsonValue> list;
    for (const JsonValue element : root.member("d")->elements()) list.push_back(element);
    REQUIRE(list.size() == 5);
    CHECK((list[0].get(n) && n == 16));
    CHECK((list[1].get(d) && std::isinf(d)));
    CHECK_FALSE(list[1].get(n));
    CHECK_FALSE(list[2].get(n));
    CHECK((list[3].get(d) && d == 0));
    CHECK((list[4].get(n) && n == -7));
    CHECK((root.member("t")->get(b) && b));
    CHECK(root.member("o")->raw() == "{ }");
    CHECK_FALSE(root.member("absent"));
    CHECK_FALSE(root.get(s));
    for ([[maybe_unused]] const JsonValue element : root.elements()) CHECK(false);
    for ([[maybe_unused]] const auto& member : big.members()) CHECK(false);
}

TEST_CASE("json_document: a key that an object has twice, at any depth") {
    auto twice = [](std::string_view text) {
        JsonDocument document;
        REQUIRE_FALSE(document.parse(text));
        return document.find_duplicate();
    };
    CHECK(twice(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]})") == "");
    CHECK(twice(R"({"a":1,"a":1})") == "a");
    CHECK(twice(R"({"a":1,"\u0061":1})") == "a");
    CHECK(twice(R"({"m":[1,{"x":{"r":1,"s":2,"r":3}}]})") == "m[1].x.r");
    CHECK(twice(R"([[],[{}],{"k":1,"k":[]}])") == "[2].k");
}
