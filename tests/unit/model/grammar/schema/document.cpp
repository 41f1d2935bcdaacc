// What a schema refers to.

#include "model/grammar/schema/document.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

TEST_CASE("document: a plain id is an address up to draft 4, and a word like others behind it") {
    const std::string schema = R"("$ref":"#/definitions/a","definitions":{"a":{"id":"b","items":)"
                               R"({"$ref":"#/definitions/c"},"definitions":{"c":{"type":"null"}}},)"
                               R"("c":{"type":"boolean"}}})";
    SchemaTexts old(R"({"$schema":"http://json-schema.org/draft-04/schema#",)" + schema);
    CHECK(old.refused({"[null]"}) == "");
    CHECK(old.accepted({"[true]"}) == "");
    SchemaTexts newer(R"({"$schema":"http://json-schema.org/draft-07/schema#",)" + schema);
    CHECK(newer.refused({"[true]"}) == "");
    CHECK(newer.accepted({"[null]"}) == "");
    // What is not within that address may be within the document.
    SchemaTexts whole(R"({"$ref":"#/definitions/a","definitions":{"a":{"id":"b","items":)"
                      R"({"$ref":"#/definitions/c"}},"c":{"type":"boolean"}}})");
    CHECK(whole.refused({"[true]"}) == "");
    CHECK(whole.accepted({"[null]"}) == "");
}

TEST_CASE(
    "document: a dynamic reference is one like others where it can lead to one schema alone") {
    SchemaTexts tree(R"({"$id":"http://a.example/tree","$dynamicAnchor":"node","type":"object",)"
                     R"("properties":{"sub":{"type":"array","items":{"$dynamicRef":"#node"}}},)"
                     R"("additionalProperties":false})");
    CHECK(tree.refused({"{}", R"({"sub":[{"sub":[]},{}]})"}) == "");
    CHECK(tree.accepted({R"({"sub":[1]})", R"({"sub":[{"x":1}]})"}) == "");
    // To what has no dynamic anchor: a pointer, a plain anchor.
    CHECK(
        !SchemaTexts(R"({"$dynamicRef":"#/$defs/a","$defs":{"a":{"type":"null"}}})").accepts("1"));
    CHECK(!SchemaTexts(R"({"$dynamicRef":"#x","$defs":{"a":{"$anchor":"x","type":"null"},)"
                       R"("b":{"$id":"b","$dynamicAnchor":"x"},)"
                       R"("c":{"$id":"c","$dynamicAnchor":"x"}}})")
               .accepts("1"));
    CHECK(schema_error(R"({"$dynamicRef":"#x"})") ==
          "#/$dynamicRef: \"#x\" is not within the schema");
}

TEST_CASE("document: a dynamic reference that depends on the way to it is refused") {
    CHECK(schema_error(R"({"$id":"http://a.example/","$ref":"list","$dynamicAnchor":"t",)"
                       R"("$defs":{"list":{"$id":"list","items":{"$dynamicRef":"#t"},)"
                       R"("$dynamicAnchor":"t"}}})") ==
          "#/$defs/list/items/$dynamicRef: \"#t\" is not possible: it depends on the way there "
          "which of 2 schemas is meant");
    // Also where the other one stands in no schema: a pointer may lead there.
    CHECK(schema_error(R"({"$dynamicAnchor":"t","items":{"$dynamicRef":"#t"},)"
                       R"("x":[{"$dynamicAnchor":"t"}]})") != "");
}

TEST_CASE("document: a recursive reference likewise") {
    SchemaTexts tree(R"({"type":["array","null"],"items":{"$recursiveRef":"#"}})");
    CHECK(tree.refused({"null", "[null,[[]]]"}) == "");
    CHECK(tree.accepted({"1", "[[1]]"}) == "");
    CHECK(SchemaTexts(R"({"$recursiveAnchor":true,"items":{"$recursiveRef":"#"}})").accepts("[]"));
    CHECK(schema_error(R"({"$recursiveAnchor":true,"items":{"$recursiveRef":"#"},)"
                       R"("$defs":{"a":{"$id":"a","$recursiveAnchor":true}}})") ==
          "#/items/$recursiveRef: \"#\" is not possible: it depends on the way there which of 2 "
          "schemas is meant");
    CHECK(schema_error(R"({"$recursiveAnchor":false,"items":{"$recursiveRef":"#"},)"
                       R"("$defs":{"a":{"$id":"a","$recursiveAnchor":true},)"
                       R"("b":{"$id":"b","$recursiveAnchor":true}}})") == "");
}
