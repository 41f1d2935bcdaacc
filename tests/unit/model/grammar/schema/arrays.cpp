// Arrays: contains and uniqueItems.

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

TEST_CASE("arrays: contains asks for one element at least") {
    SchemaTexts any(R"({"contains":{"type":"null"}})");
    CHECK(any.refused({"[null]", "[1,null]", "[null,1]", "[null,null]", "\"a\"", "{}"}) == "");
    CHECK(any.accepted({"[]", "[1]", "[[null]]", "[null,]", "[1,2"}) == "");
    // What of the elements is contained may show at their end alone.
    SchemaTexts one(R"({"type":"array","items":{"type":"string","maxLength":3},)"
                    R"("contains":{"type":"string","pattern":"b$"}})");
    CHECK(one.refused({R"(["aab"])", R"(["aa","ab","c"])"}) == "");
    CHECK(one.accepted({"[]", R"(["aa"])", R"(["aaab"])", R"(["ab",1])", R"(["ba"])"}) == "");
    CHECK(SchemaTexts(R"({"type":"array","contains":false,"minContains":0})").accepts("[]"));
    CHECK(schema_error(R"({"type":"array","contains":false})") == "no text is possible");
}

TEST_CASE("arrays: minContains and maxContains count") {
    SchemaTexts some(R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5},)"
                     R"("minContains":2,"maxContains":3})");
    CHECK(some.refused({"[5,6]", "[1,5,2,6,3,7,4]", "[5,5,5,0,0]"}) == "");
    CHECK(some.accepted({"[]", "[5]", "[5,1,1]", "[5,5,5,5]", "[5,1,5,1,5,1,5]"}) == "");
    // Together with the number of elements.
    SchemaTexts both(R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5},)"
                     R"("minContains":2,"maxContains":2,"minItems":3,"maxItems":4})");
    CHECK(both.refused({"[1,5,5]", "[5,5,1]", "[5,1,1,5]"}) == "");
    CHECK(both.accepted({"[5,5]", "[1,1,5]", "[5,5,5]", "[1,1,1", "[1,1,5,5,1]"}) == "");
    SchemaTexts none(R"({"type":"array","contains":{"type":"null"},"minContains":0,)"
                     R"("maxContains":0})");
    CHECK(none.refused({"[]", "[1,[null]]"}) == "");
    CHECK(none.accepted({"[null]", "[1,null]"}) == "");
    // Neither means anything without contains, nor in a draft that does not have it.
    CHECK(SchemaTexts(R"({"minContains":2,"maxContains":0})").accepts("[1]"));
    CHECK(schema_error(R"({"$schema":"http://json-schema.org/draft-07/schema#","minContains":0,)"
                       R"("type":"array","contains":false})") == "no text is possible");
    CHECK(schema_error(R"({"type":"array","contains":{},"minContains":3,"maxItems":2})") ==
          "no text is possible");
}

TEST_CASE("arrays: one that is too short by then can still be completed") {
    SchemaTexts last(R"({"type":"array","items":{"type":"integer"},"contains":{"const":5},)"
                     R"("minContains":2,"maxItems":3})");
    CHECK(last.begins("[1,5,5"));
    CHECK(!last.begins("[1,1"));  // since then there would be no room
    CHECK(last.accepted({"[1,5]", "[1,1,5]"}) == "");
}

TEST_CASE("arrays: what contains asks for must not hold") {
    SchemaTexts none(R"({"type":"array","not":{"contains":{"type":"null"}}})");
    CHECK(none.refused({"[]", "[1]"}) == "");
    CHECK(none.accepted({"[null]", "[1,null]"}) == "");
    SchemaTexts few(R"({"type":"array","not":{"contains":{"type":"null"},"minContains":2,)"
                    R"("maxContains":3}})");
    CHECK(few.refused({"[]", "[null,1]", "[null,null,null,null]"}) == "");
    CHECK(few.accepted({"[null,null]", "[1,null,1,null]", "[null,null,null]"}) == "");
    SchemaTexts bad(R"({"type":"array","not":{"items":{"type":"integer"}}})");
    CHECK(bad.refused({"[null]", "[1,null,1]"}) == "");
    CHECK(bad.accepted({"[]", "[1]", "[1,2]"}) == "");
    SchemaTexts second(R"({"type":"array","not":{"prefixItems":[true,{"type":"integer"}]}})");
    CHECK(second.refused({"[1,null]", "[null,null,1]"}) == "");
    CHECK(second.accepted({"[]", "[null]", "[null,1]"}) == "");
    // Up to draft 7 it is a word like others, and what does not ask for anything cannot fail.
    CHECK(schema_error(R"({"$schema":"http://json-schema.org/draft-07/schema#",)"
                       R"("not":{"prefixItems":[{"type":"integer"}]}})") != "");
    // A way in which an element cannot be seen to fail is left out where there are others.
    SchemaTexts other(R"({"type":"array","not":{"items":{"uniqueItems":true},"minItems":1}})");
    CHECK(other.refused({"[]"}) == "");
    CHECK(other.accepted({"[1]", "[[1,1]]"}) == "");
}

TEST_CASE("arrays: values that contain enough, and not too much") {
    SchemaTexts some(R"({"enum":[[],[1],[1,2],[1,2,3],["a"]],"contains":{"minimum":2},)"
                     R"("maxContains":1})");
    CHECK(some.refused({"[1,2]", R"(["a"])"}) == "");
    CHECK(some.accepted({"[]", "[1]", "[1,2,3]"}) == "");
}

TEST_CASE("arrays: uniqueItems of values that can be remembered") {
    SchemaTexts some(R"({"type":"array","items":{"enum":["a",1,12,{"a":1},1.0]},)"
                     R"("uniqueItems":true,"minItems":1,"maxItems":3})");
    CHECK(some.refused({"[1]", "[12,1]", R"(["a",{"a":1},1])"}) == "");
    CHECK(some.accepted({"[]", "[1,1]", "[1,1.0]", R"(["a",1,"a"])", R"([1,12,"a",{"a":1}])"}) ==
          "");
    SchemaTexts few(
        R"({"type":"array","uniqueItems":true,"items":{"anyOf":[{"type":"boolean"},)"
        R"({"type":"integer","minimum":-1,"maximum":1.5},{"const":1},{"type":"null"}]}})");
    CHECK(few.refused({"[]", "[true,1,null,-1,0,false]"}) == "");
    CHECK(few.accepted({"[1,1]", "[null,null]", "[2]"}) == "");
    CHECK(schema_error(R"({"type":"array","items":{"enum":[1,2]},"uniqueItems":true,)"
                       R"("minItems":3})") == "no text is possible");
    CHECK(SchemaTexts(R"({"uniqueItems":false})").accepts("[1,1]"));
}

TEST_CASE("arrays: uniqueItems of others is refused") {
    const std::string why =
        "#/uniqueItems: uniqueItems is possible where all elements are of the same 30 values at "
        "most: others would have to be remembered";
    CHECK(schema_error(R"({"items":{"type":"string"},"uniqueItems":true})") == why);
    CHECK(schema_error(R"({"items":{"type":"integer"},"uniqueItems":true})") == why);
    CHECK(schema_error(R"({"items":{"type":"integer","minimum":1,"maximum":40},)"
                       R"("uniqueItems":true})") == why);
    CHECK(schema_error(R"({"items":{"type":"integer","minimum":1e17,"maximum":1e18},)"
                       R"("uniqueItems":true})") == why);
    CHECK(schema_error(R"({"items":{"type":"number","minimum":1,"maximum":1},)"
                       R"("uniqueItems":true})") == why);
    CHECK(schema_error(R"({"prefixItems":[{"const":1}],"items":{"const":1},)"
                       R"("uniqueItems":true})") == why);
    CHECK(schema_error(R"({"items":{"const":1},"contains":{},"uniqueItems":true})") == why);
}
