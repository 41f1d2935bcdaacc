// What keywords are, and that each is refused whose value is something else.

#include "model/grammar/schema/keywords.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <string>
#include <vector>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

namespace {

struct Kind {
    const char* expected;
    std::vector<const char*> keywords, values;  // values: what such a keyword must not have
};

const std::vector<Kind> kKinds{
    {"a schema, an object or a boolean,",
     {"additionalItems", "additionalProperties", "contains", "else", "if", "not", "propertyNames",
      "then", "unevaluatedItems", "unevaluatedProperties"},
     {"3", "null", "\"a\"", "[]", "[{}]"}},
    {"a schema or an array of schemas", {"items"}, {"3", "null", "\"a\""}},
    {"an array of schemas", {"prefixItems"}, {"3", "{}", "true"}},
    {"an array of one schema or more", {"allOf", "anyOf", "oneOf"}, {"[]", "{}", "true", "\"a\""}},
    {"an object of schemas",
     {"dependentSchemas", "patternProperties", "properties"},
     {"[]", "3", "true", "null"}},
    {"an object of schemas and arrays of strings", {"dependencies"}, {"[]", R"({"a":[1]})"}},
    {"an object of arrays of strings",
     {"dependentRequired"},
     {"[]", R"({"a":[1]})", R"({"a":{}})"}},
    {"an array of strings", {"required"}, {"true", "\"a\"", "{}", R"(["a",1])", R"([["a"]])"}},
    {"an array", {"enum"}, {"{}", "\"a\"", "1"}},
    {"an integer from 0 on",
     {"maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems",
      "minLength", "minProperties"},
     {"-1", "1.5", "\"1\"", "null", "true", "[1]"}},
    {"a number",
     {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"},
     {"\"1\"", "null", "[1]", "{}"}},
    {"a number", {"maximum", "minimum"}, {"true"}},
    {"a number above 0", {"multipleOf"}, {"0", "-1", "\"1\"", "true"}},
    {"a string",
     {"$dynamicRef", "$recursiveRef", "$ref", "format", "pattern"},
     {"3", "{}", "true"}},
    {"true or false", {"nullable", "uniqueItems"}, {"\"true\"", "1", "null"}},
    {"one of null, boolean, integer, number, string, array and object, or an array of these,",
     {"type"},
     {"\"foo\"", "3", "[]", "{}", "[\"null\",3]", "[\"any\"]", "null"}},
};

}  // namespace

TEST_CASE("keywords: a value of another kind is refused with its place and what is expected") {
    for (const Kind& kind : kKinds)
        for (const char* keyword : kind.keywords)
            for (const char* value : kind.values) {
                const std::string schema = fmt::format(R"({{"{}":{}}})", keyword, value);
                const std::string why = fmt::format("{} is expected, not {}", kind.expected, value);
                CHECK(schema_error(schema) == fmt::format("#/{}: {}", keyword, why));
                CHECK(schema_error(fmt::format(R"({{"items":{}}})", schema)) ==
                      fmt::format("#/items/{}: {}", keyword, why));
            }
}

TEST_CASE("keywords: schemas within others are looked at by themselves") {
    const std::string why = ": a schema is expected, an object or a boolean, not 3";
    CHECK(schema_error(R"({"properties":{"a":3}})") == "#/properties/a" + why);
    CHECK(schema_error(R"({"anyOf":[{},3]})") == "#/anyOf/1" + why);
    CHECK(schema_error(R"({"prefixItems":[3]})") == "#/prefixItems/0" + why);
    CHECK(schema_error(R"({"items":[3]})") == "#/items/0" + why);
    CHECK(schema_error(R"({"dependencies":{"a":3}})") == "#/dependencies/a" + why);
    CHECK(schema_error("3") == "#" + why);
}

TEST_CASE("keywords: what a draft allows is none of these") {
    CHECK(schema_error(R"({"minLength":2.0,"maxItems":1e1,"required":[],"items":[]})") == "");
    CHECK(schema_error(R"({"minimum":1,"exclusiveMinimum":true})") == "");  // draft 4
    CHECK(schema_error(R"({"maxLength":1e999})") == "#/maxLength: the number has too many digits");
    // Up to draft 7 what stands beside a $ref has no meaning.
    const std::string beside =
        R"("$ref":"#/definitions/a","required":true,"definitions":{"a":{}}})";
    CHECK(schema_error(R"({"$schema":"http://json-schema.org/draft-07/schema#",)" + beside) == "");
    CHECK(schema_error("{" + beside) == "#/required: an array of strings is expected, not true");
    // Names of properties are no keywords.
    CHECK(schema_error(R"({"properties":{"required":{},"type":true}})") == "");
    CHECK(schema_error(R"({"default":{"type":3},"x":{"type":3},"const":{"type":3}})") == "");
}

TEST_CASE("keywords: those that mean something are known") {
    CHECK(find_keyword("$ref") == Keyword::ref);
    CHECK(find_keyword("uniqueItems") == Keyword::unique_items);
    CHECK(!find_keyword("title"));
    CHECK(!find_keyword(""));
}
