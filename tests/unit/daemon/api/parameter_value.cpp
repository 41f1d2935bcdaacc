// Text as the JSON value it stands for.

#include "daemon/api/parameter_value.h"

#include <doctest/doctest.h>

#include <vector>

#include "daemon/api/tool_parameters.h"

using namespace qwend;

namespace {

std::string json_of(const std::string& text, unsigned types) {
    ParameterValue value(types);
    std::string json;
    for (char c : text) value.push(c, json);
    value.finish(json);
    return json;
}

}  // namespace

TEST_CASE("parameter_value: a value of a type that is allowed, else a string") {
    struct Case {
        const char *text, *json;
        unsigned types;
    };
    for (const Case& c : std::vector<Case>{{"a", "\"a\"", kJsonAny},
                                           {"", "\"\"", kJsonAny},
                                           {" \n", R"(" \n")", kJsonAny},
                                           {" 1.5e3 ", "1.5e3", kJsonAny},
                                           {"1", "\"1\"", kJsonString},
                                           {"1", "\"1\"", kJsonBoolean},
                                           {"-", "\"-\"", kJsonNumber},
                                           {"1 2", "\"1 2\"", kJsonNumber},
                                           {"1,2", "\"1,2\"", kJsonAny},
                                           {"1]", "\"1]\"", kJsonAny},
                                           {"[1, {}]", "[1, {}]", kJsonArray},
                                           {"[1, {}", "\"[1, {}\"", kJsonArray},
                                           {"[1, {}]", "\"[1, {}]\"", kJsonObject},
                                           {"{\"x\": \"a\nb\"}", R"({"x": "a\nb"})", kJsonObject},
                                           {"\"a\"", R"("\"a\"")", kJsonAny},
                                           {"true", "true", kJsonBoolean | kJsonString},
                                           {"truer", "\"truer\"", kJsonBoolean},
                                           {"null", "null", kJsonAny},
                                           // Python's words, where no string is asked for.
                                           {"True", "true", kJsonBoolean},
                                           {"False\n", "false", kJsonBoolean},
                                           {"None", "null", kJsonBoolean | kJsonNull},
                                           {"None", "\"None\"", kJsonBoolean},
                                           {"True", "\"True\"", kJsonAny},
                                           {"Tru", "\"Tru\"", kJsonBoolean},
                                           {"\x01 é \"", "\"\\u0001 é \\\"\"", kJsonString}}) {
        CAPTURE(c.text);
        CHECK(json_of(c.text, c.types) == c.json);
    }
}

TEST_CASE("parameter_value: a string is passed on as it comes, once it can be nothing else") {
    ParameterValue value(kJsonAny);
    std::string json;
    for (char c : std::string("12")) value.push(c, json);
    CHECK(json.empty());
    value.push('a', json);
    CHECK(json == "\"12a");
    value.push('"', json);
    CHECK(json == "\"12a\\\"");
}

TEST_CASE("parameter_value: what was kept of a value that the end cuts") {
    for (const char* text : {"{\"x\": [1", "tru", " 12"}) {
        ParameterValue value(kJsonAny);
        std::string json;
        for (const char* c = text; *c; c++) value.push(*c, json);
        value.cut(json);
        CHECK(json == text);
    }
}
