// What JSON schemas say of the values that parameters may have.

#include "daemon/api/tool_parameters.h"

#include <doctest/doctest.h>

#include <vector>

using namespace qwend;

TEST_CASE("tool_parameters: types that a schema allows") {
    struct Case {
        const char* schema;
        unsigned types;
    };
    for (const Case& c : std::vector<Case>{
             {R"({"type":"string"})", kJsonString},
             {R"({"type":"integer"})", kJsonNumber},
             {R"({"type":"number","enum":[1,"x"]})", kJsonNumber},
             {R"({"type":["boolean","null"]})", kJsonBoolean | kJsonNull},
             {R"({"enum":["a","b"]})", kJsonString},
             {R"({"const":{}})", kJsonObject},
             {R"({"anyOf":[{"type":"string"},{"type":"null"}]})", kJsonString | kJsonNull},
             {R"({"oneOf":[{"anyOf":[{"type":"array"}]},{"const":true}]})",
              kJsonArray | kJsonBoolean},
             {R"({"anyOf":[{"type":"string"},{}]})", kJsonAny},
             {R"({"$ref":"#/x"})", kJsonAny},
             {R"({"type":"date"})", kJsonAny},
             {R"({"type":7})", kJsonAny},
             {R"({"type":[]})", kJsonAny},
             {R"({})", kJsonAny},
             {R"(true)", kJsonAny}}) {
        CAPTURE(c.schema);
        JsonDocument document;
        const std::string text = c.schema;
        REQUIRE_FALSE(document.parse(text));
        CHECK(types_of_schema(document.root()) == c.types);
    }
}

TEST_CASE("tool_parameters: what is not known may be anything") {
    const std::vector<std::string> tools = {
        R"({"function":{"name":"f","parameters":{"properties":{"s":{"type":"string"}}}}})",
        R"({"function":{"name":"g"}})", "{}", "[", R"({"function":{"name":1,"parameters":{}}})"};
    const ToolParameters parameters(tools);
    CHECK(parameters.types_of("f", "s") == kJsonString);
    CHECK(parameters.types_of("f", "t") == kJsonAny);
    CHECK(parameters.types_of("g", "s") == kJsonAny);
    CHECK(ToolParameters().types_of("f", "s") == kJsonAny);
}

TEST_CASE("tool_parameters: tools are known by name, also those that take nothing") {
    const std::vector<std::string> tools = {R"({"function":{"name":"find"}})", "no JSON",
                                            R"({"function":{"name":"get","parameters":{}}})"};
    const ToolParameters parameters(tools);
    CHECK(parameters.has_tool("find"));
    CHECK(parameters.has_tool("get"));
    CHECK_FALSE(parameters.has_tool("fin"));
    for (const char* name : {"", "f", "find", "g"}) CHECK(parameters.begins_tool(name));
    for (const char* name : {"finds", "h", "a"}) CHECK_FALSE(parameters.begins_tool(name));
    CHECK_FALSE(ToolParameters().begins_tool(""));
    CHECK(parameters.types_of("find", "x") == kJsonAny);
}
