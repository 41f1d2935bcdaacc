// Objects with many patterns of names, and strings whose length is not counted.

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <string>

#include "tests/unit/model/grammar/schema/schema_texts.h"

using namespace qwend::grammar;

TEST_CASE("builder: many patterns of names, as long as they do not overlap in too many ways") {
    std::string patterns = R"("^[a-z0-9]+$":{"type":"integer"})";
    for (int i = 0; i < 40; i++) patterns += fmt::format(R"(,"^a{}$":{{"minimum":{}}})", i, i);
    SchemaTexts many(R"({"type":"object","additionalProperties":false,"patternProperties":{)" +
                     patterns + "}}");
    CHECK(many.refused({"{}", R"({"a39":39,"b":0})", R"({"a3":3,"a30":30})"}) == "");
    CHECK(many.accepted({R"({"a39":38})", R"({"a39":null})", R"({"b":1.5})", R"({"B":1})"}) == "");

    std::string overlapping = R"("^a":{})";
    for (char c = 'b'; c < 'l'; c++) overlapping += fmt::format(R"(,"^.{{{}}}b":{{}})", c - 'a');
    CHECK(schema_error(R"({"type":"object","patternProperties":{)" + overlapping + "}}") != "");
}

TEST_CASE("builder: a pattern that takes long to count in is not counted in") {
    SchemaTexts words(R"({"type":"string","minLength":3,"maxLength":12,)"
                      R"("pattern":"^(?:\\S+\\s+){0,19}\\S+$"})");
    CHECK(words.refused({"\"abc\"", "\"a b c d\"", "\"abcdefghijkl\""}) == "");
    CHECK(words.accepted({"\"ab\"", "\"a \"", "\" ab\"", "\"abcdefghijklm\""}) == "");
}
