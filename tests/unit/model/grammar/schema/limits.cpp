// Keywords that limit a value.

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

namespace {

bool lets_null_through(const std::string& schema) {
    return SchemaTexts(schema).accepts("null");
}

}  // namespace

// Source: OpenAPI 3.0.3, "Schema Object": it adds null to the `type` in the same schema object, and
// to nothing else; what stands beside it still has to hold.
TEST_CASE("limits: OpenAPI's nullable adds null to the type beside it") {
    CHECK(lets_null_through(R"({"type":"string","nullable":true})"));
    CHECK(lets_null_through(R"({"nullable":true,"type":["object","integer"]})"));
    CHECK(SchemaTexts(R"({"type":"string","nullable":true})").accepts("\"a\""));
    CHECK(!lets_null_through(R"({"type":"string","nullable":false})"));
    CHECK(lets_null_through(R"({"nullable":false})"));  // no type says that it must not be
    // What is said of strings is said of strings.
    CHECK(lets_null_through(R"({"type":"string","nullable":true,"maxLength":3,"format":"date"})"));
}

TEST_CASE("limits: what stands beside nullable still has to hold") {
    CHECK(!lets_null_through(R"({"type":"string","nullable":true,"enum":["a"]})"));
    CHECK(lets_null_through(R"({"type":"string","nullable":true,"enum":["a",null]})"));
    CHECK(!lets_null_through(R"({"type":"string","nullable":true,"const":"a"})"));
    CHECK(lets_null_through(R"({"type":"string","nullable":true,"const":null})"));
    CHECK(!lets_null_through(R"({"nullable":true,"type":"object","allOf":[{"type":"object"}]})"));
    CHECK(!lets_null_through(R"({"nullable":true,"allOf":[{"type":"object"}]})"));
    CHECK(!lets_null_through(R"({"nullable":true,"anyOf":[{"type":"object"}]})"));
    CHECK(lets_null_through(R"({"type":"object","nullable":true,)"
                            R"("allOf":[{"type":"object","nullable":true}]})"));
    const std::string defs = R"(,"$defs":{"a":{"type":"object"}}})";
    CHECK(!lets_null_through(R"({"$ref":"#/$defs/a","nullable":true)" + defs));
    CHECK(!lets_null_through(R"({"$ref":"#/$defs/a","type":"object","nullable":true)" + defs));
}

TEST_CASE("limits: what must not hold has its null too") {
    CHECK(!lets_null_through(R"({"not":{"type":"string","nullable":true}})"));
    CHECK(lets_null_through(R"({"not":{"type":"string","nullable":true,"enum":["a"]}})"));
}
