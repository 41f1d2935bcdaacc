// JSON files of checkpoints, as Python's json writes and reads them.

#include "model/json.h"

#include <doctest/doctest.h>

#include <vector>

using namespace qwend;

TEST_CASE("json: what Python writes and the standard has not is read") {
    const JsonFile json(
        "\xEF\xBB\xBF{\"model_max_length\": 1000000000000000019884624838656, \"a\": NaN, "
        "\"b\": [Infinity, -Infinity], \"text\": \"NaN \\\" 12345678901234567890123\", "
        "\"n\": -99999999999999999999}",
        "f");
    CHECK(json.number("model_max_length", 0, 1e40) == doctest::Approx(1e30));
    CHECK(json.number("n", -1e21, 0) == doctest::Approx(-1e20));
    CHECK_THROWS_WITH_AS(json.number("a", 0, 1), "f: \"a\": expected a number, found \"NaN\"",
                         LoadError);
    CHECK(json.root()["text"].get_string().value() == "NaN \" 12345678901234567890123");
}

TEST_CASE("json: only what is odd is rewritten") {
    struct Case {
        const char *from, *to;
    };
    for (auto& c : std::vector<Case>{
             {R"({"a":12345678901234567890})", R"({"a":12345678901234567890.0})"},
             {R"({"a":1234567890.1234567890})", R"({"a":1234567890.1234567890})"},
             {R"({"a":1234567890e123456789})", R"({"a":1234567890e123456789})"},
             {R"({"12345678901234567890":"NaN"})", R"({"12345678901234567890":"NaN"})"},
             {R"(["\"",NaN,"\\",-Infinity])", R"(["\"","NaN","\\","-Infinity"])"},
             {R"({"a":"unended NaN)", R"({"a":"unended NaN)"},
             {"", ""}})
        CHECK(standard_json(c.from) == c.to);
}

TEST_CASE("json: of a key that appears twice the last counts") {
    const JsonFile json(R"({"a":1,"b":true,"a":2,"b":null})", "f");
    CHECK(json.integer("a", 0, 9) == 2);
    CHECK_FALSE(json.boolean("b", false));
}

TEST_CASE("json: errors name the file, the field and what was found") {
    struct Case {
        const char *text, *message;
    };
    for (auto& c : std::vector<Case>{{"", "f: not valid JSON"},
                                     {"[1]", "f: expected a JSON object at the top"},
                                     {"{\"a\": 1", "f: not valid JSON"},
                                     {"{\"a\": \"\xFF\"}", "UTF-8"},
                                     {"{\"a\": \"1\"}", "\"a\": expected an integer, found \"1\""},
                                     {"{\"a\": 1.5}", "\"a\": expected an integer, found 1.5"},
                                     {"{\"a\": null}", "expected the field \"a\", found none"},
                                     {"{\"a\": 11}", "\"a\": expected 0 to 9, found 11"},
                                     {"{\"a\": 12345678901234567890123}", "expected an integer"}})
        CHECK_THROWS_WITH_AS(JsonFile(std::string_view(c.text), "f").integer("a", 0, 9),
                             doctest::Contains(c.message), LoadError);
    const std::string deep = std::string(100, '[') + std::string(100, ']');
    CHECK_THROWS_AS(JsonFile("{\"a\":" + deep + "}", "f"), LoadError);
}
