// JSON Schema as text.

#include "daemon/api/schema.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("schema: values") {
    CHECK(integer_schema(-1, 16777216) == R"({"type":"integer","minimum":-1,"maximum":16777216})");
    CHECK(number_schema(1e-3, 2) == R"({"type":"number","minimum":0.001,"maximum":2})");
    CHECK(array_schema(kStringSchema) == R"({"type":"array","items":{"type":"string"}})");
    CHECK(enum_schema({"a", "b"}) == R"({"type":"string","enum":["a","b"]})");
    CHECK(or_null(kBooleanSchema) == R"({"anyOf":[{"type":"boolean"},{"type":"null"}]})");
    CHECK(schema_ref("Usage") == R"({"$ref":"#/components/schemas/Usage"})");
}

TEST_CASE("schema: an object has its members, but those that may be absent") {
    CHECK(object_schema({}) == R"({"type":"object","properties":{}})");
    CHECK(object_schema({{"id", kStringSchema}, {"name?", kStringSchema}}) ==
          R"({"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"}},)"
          R"("required":["id"]})");
}

TEST_CASE("schema: what a request need not have may be null") {
    RequestSchema schema;
    schema.add("b", kBooleanSchema).add("a", kStringSchema).add("c", kAnySchema);
    schema.require({"a"});
    CHECK(schema.text() == R"({"type":"object","properties":{"a":{"type":"string"},)"
                           R"("b":{"anyOf":[{"type":"boolean"},{"type":"null"}]},"c":{}},)"
                           R"("required":["a"]})");
    schema.add("b", kIntegerSchema);  // the later one counts
    CHECK(schema.text().find("boolean") == std::string::npos);
}
