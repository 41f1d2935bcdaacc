// What a schema asks of a value beside its limits: what unevaluated… keywords see.

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

TEST_CASE("expansion: unevaluatedProperties sees what applies to the same object because of it") {
    SchemaTexts all(
        R"({"type":"object","properties":{"a":{}},"allOf":[{"properties":{"b":{}}}],)"
        R"("if":{"required":["a"]},"then":{"properties":{"c":{}}},"$ref":"#/$defs/d",)"
        R"("dependentSchemas":{"d":{"properties":{"e":{}}}},"unevaluatedProperties":false,)"
        R"("$defs":{"d":{"patternProperties":{"^d":true}}}})");
    CHECK(all.refused({"{}", R"({"a":1})", R"({"b":1})", R"({"d":1})", R"({"dx":1})",
                       R"({"e":1,"d":1})"}) == "");
    CHECK(all.accepted({R"({"x":1})", R"({"c":1})", R"({"e":1})"}) == "");
}

TEST_CASE("expansion: it is possible in a schema that is a part of another") {
    // It does not see what stands around it.
    SchemaTexts part(R"({"type":"object","properties":{"a":{}},"allOf":[{"properties":{"b":{}},)"
                     R"("unevaluatedProperties":{"type":"null"}}]})");
    CHECK(part.refused({"{}", R"({"a":null})", R"({"b":1})", R"({"x":null})"}) == "");
    CHECK(part.accepted({R"({"a":1})", R"({"x":1})"}) == "");
    // Two parts, each with its own.
    SchemaTexts two(R"({"type":"object","anyOf":[{"properties":{"a":{}},)"
                    R"("unevaluatedProperties":false},{"properties":{"b":{}},)"
                    R"("unevaluatedProperties":false}]})");
    CHECK(two.refused({"{}", R"({"a":1})", R"({"b":1})"}) == "");
    CHECK(two.accepted({R"({"a":1,"b":1})", R"({"c":1})"}) == "");
    CHECK(schema_error(R"({"type":"object","required":["a"],"allOf":[{"properties":{"a":{}},)"
                       R"("unevaluatedProperties":false},{"unevaluatedProperties":false}]})") ==
          "no text is possible");
    // Within members, of which two schemas speak.
    SchemaTexts member(R"({"type":"object","properties":{"ab":{"properties":{"x":{}},)"
                       R"("unevaluatedProperties":false}},"patternProperties":{"^a":)"
                       R"({"properties":{"y":{}}}}})");
    CHECK(member.refused({R"({"ab":{"x":1}})", R"({"ac":{"y":1,"z":1}})"}) == "");
    CHECK(member.accepted({R"({"ab":{"y":1}})"}) == "");
}

TEST_CASE("expansion: another within it speaks of all") {
    SchemaTexts inner(R"({"type":"object","properties":{"a":{}},"unevaluatedProperties":false,)"
                      R"("allOf":[{"unevaluatedProperties":{"type":"null"}}]})");
    CHECK(inner.refused({"{}", R"({"a":null})", R"({"x":null})"}) == "");
    CHECK(inner.accepted({R"({"a":1})", R"({"x":1})"}) == "");
    SchemaTexts open(R"({"type":"object","unevaluatedProperties":false,)"
                     R"("allOf":[{"unevaluatedProperties":true}]})");
    CHECK(open.refused({R"({"x":1})"}) == "");
}

TEST_CASE("expansion: what must not hold is not seen, denied twice neither") {
    SchemaTexts twice(R"({"type":"object","properties":{"a":{}},"unevaluatedProperties":false,)"
                      R"("not":{"not":{"properties":{"b":{}}}}})");
    CHECK(twice.refused({"{}", R"({"a":1})"}) == "");
    CHECK(twice.accepted({R"({"b":1})"}) == "");
    SchemaTexts condition(R"({"type":"object","unevaluatedProperties":false,"if":{"properties":)"
                          R"({"a":{"const":1}},"required":["a"]},"then":true,"else":{"properties":)"
                          R"({"b":{}}}})");
    CHECK(condition.refused({R"({"a":1})", R"({"b":1})", "{}"}) == "");
    CHECK(condition.accepted({R"({"a":2})", R"({"a":1,"b":1})"}) == "");
}

TEST_CASE("expansion: a schema that two scopes reach is seen by both, with one choice") {
    SchemaTexts both(
        R"({"type":"object","allOf":[{"$ref":"#/$defs/o"},{"$ref":"#/$defs/o",)"
        R"("unevaluatedProperties":false}],"unevaluatedProperties":false,"$defs":{"o":)"
        R"({"oneOf":[{"properties":{"a":{}},"required":["a"]},)"
        R"({"properties":{"b":{}},"required":["b"]}]}}})");
    CHECK(both.refused({R"({"a":1})", R"({"b":1})"}) == "");
    CHECK(both.accepted({"{}", R"({"a":1,"b":1})", R"({"a":1,"c":1})"}) == "");
}

TEST_CASE("expansion: unevaluatedItems sees elements, from the first that nothing speaks of") {
    SchemaTexts some(R"({"type":"array","prefixItems":[{"type":"null"}],"anyOf":[true,)"
                     R"({"prefixItems":[true,{"type":"string"}]}],"unevaluatedItems":)"
                     R"({"type":"integer"}})");
    CHECK(some.refused({"[]", "[null]", "[null,1,2]", R"([null,"a",1])"}) == "");
    CHECK(some.accepted({"[1]", R"([null,1,"a"])", R"([null,"a","b"])"}) == "");
    CHECK(SchemaTexts(R"({"items":{"type":"null"},"unevaluatedItems":false})").accepts("[null]"));
    SchemaTexts part(R"({"type":"array","prefixItems":[true,true],)"
                     R"("allOf":[{"prefixItems":[true],"unevaluatedItems":{"type":"null"}}]})");
    CHECK(part.refused({"[1]", "[1,null]", "[1,null,null]"}) == "");
    CHECK(part.accepted({"[1,1]"}) == "");
}

TEST_CASE("expansion: unevaluatedItems sees what is contained, but not in draft 2019-09") {
    const std::string schema = R"("type":"array","contains":{"const":1},"minContains":0,)"
                               R"("unevaluatedItems":{"type":"null"}})";
    SchemaTexts sees("{" + schema);
    CHECK(sees.refused({"[]", "[1]", "[null,1,null,1]"}) == "");
    CHECK(sees.accepted({"[2]", "[1,2]"}) == "");
    SchemaTexts old(R"({"$schema":"https://json-schema.org/draft/2019-09/schema",)" + schema);
    CHECK(old.refused({"[]", "[null]"}) == "");
    CHECK(old.accepted({"[1]", "[null,1]"}) == "");
    // Nor what an outer schema contains.
    CHECK(schema_error(R"({"type":"array","contains":{"const":1},"allOf":[{"unevaluatedItems":)"
                       R"({"maximum":0}}]})") == "no text is possible");
    SchemaTexts values(R"({"enum":[[1],[1,null],[1,2],[]],"contains":{"const":1},)"
                       R"("unevaluatedItems":{"type":"null"}})");
    CHECK(values.refused({"[1]", "[1,null]"}) == "");
    CHECK(values.accepted({"[1,2]", "[]"}) == "");
}

// Of what must not hold some ways are left out: that an option seems to have no value in common
// with another one says nothing then.
TEST_CASE("expansion: an option of oneOf that is not known whole asks the others to fail") {
    const std::string closed = R"({"minimum":1,"additionalProperties":false})";
    SchemaTexts one(R"({"type":"object","maxProperties":1,"oneOf":[{"not":)" + closed + "},true]}");
    CHECK(one.refused({"{}"}) == "");
    CHECK(one.accepted({R"({"b":1})"}) == "");
    // Likewise where members or elements tell the options apart, or listed values.
    CHECK(schema_error(R"({"type":"object","required":["a"],"oneOf":[{"properties":{"a":{"type":)"
                       R"("object","not":)" +
                       closed + R"(}}},{"properties":{"a":{"const":{"b":1}}}}]})") != "");
    SchemaTexts listed(R"({"oneOf":[{"enum":[{"b":1},1]},{"type":"object","not":)" + closed +
                       "}]}");
    CHECK(listed.accepted({R"({"b":1})"}) == "");
    SchemaTexts filtered(R"({"oneOf":[{"enum":[{"b":1},1],"type":"object","not":)" + closed +
                         R"(},{"type":"object"}]})");
    CHECK(filtered.accepted({R"({"b":1})"}) == "");
    // An unevaluated… keyword may see more than the option that is taken.
    SchemaTexts seen(
        R"({"type":"object","oneOf":[{"unevaluatedProperties":false,"anyOf":)"
        R"([{"properties":{"a":{}}},{"properties":{"b":{}}}]},{"required":["a","b"]}]})");
    CHECK(seen.accepted({R"({"a":1,"b":1})"}) == "");
}

TEST_CASE("expansion: options that are known whole are told apart as they are") {
    SchemaTexts some(R"({"oneOf":[{"type":"integer","not":{"multipleOf":2}},{"type":"integer",)"
                     R"("multipleOf":2},{"type":"string","uniqueItems":true}]})");
    CHECK(some.refused({"1", "2", "\"a\""}) == "");
    SchemaTexts same(R"({"oneOf":[{"type":"object","required":["a"]},)"
                     R"({"type":"object","not":{"required":["a"]}}]})");
    CHECK(same.refused({"{}", R"({"a":1})"}) == "");
}

TEST_CASE("expansion: what is no multiple, or no integer") {
    SchemaTexts odd(R"({"type":"number","not":{"multipleOf":2}})");
    CHECK(odd.refused({"1", "-13", "0.5", "2.5", "20.10"}) == "");
    CHECK(odd.accepted({"0", "-0", "2", "2.0", "-4.00", "100", "10.0"}) == "");
    SchemaTexts part(R"({"type":"number","not":{"multipleOf":0.25}})");
    CHECK(part.refused({"0.1", "1.3", "0.251", "0.125"}) == "");
    CHECK(part.accepted({"1", "0.5", "0.50", "0.75", "0.750", "3.0"}) == "");
    SchemaTexts neither(
        R"({"type":"integer","not":{"anyOf":[{"multipleOf":2},{"multipleOf":3}]}})");
    CHECK(neither.refused({"1", "5", "-25"}) == "");
    CHECK(neither.accepted({"0", "2", "9", "6", "1.5"}) == "");
    SchemaTexts fraction(R"({"not":{"type":["integer","string"]}})");
    CHECK(fraction.refused({"0.5", "null", "-12.25"}) == "");
    CHECK(fraction.accepted({"1", "1.0", "0", "\"a\""}) == "");
}

TEST_CASE("expansion: there is a bound on scopes") {
    std::string schema = R"({"type":"object"})";
    for (int i = 0; i < 101; i++)
        schema = R"({"unevaluatedProperties":{"type":"null"},"allOf":[)" + schema + "]}";
    CHECK(schema_error(schema).ends_with("more than 100 unevaluated… keywords in one place"));
}
