#include "model/grammar/grammar_text.h"

#include <doctest/doctest.h>

#include "tests/unit/model/grammar/grammar_texts.h"

using namespace qwend::grammar;

TEST_CASE("grammar_text: the notation is told from the text") {
    CHECK(outcome(parse_grammar, "root ::= \"x\"") == "root* = x\n");
    CHECK(outcome(parse_grammar, "start: \"x\"") == "start* = x\n");
    CHECK(outcome(parse_grammar, "# root ::= \"y\"\nstart: \"x\" // a ::= b") == "start* = x\n");
    CHECK(outcome(parse_grammar, "root ::= \"x\" # start: \"x\"") == "root* = x\n");
    CHECK(outcome(parse_grammar, "") ==
          "the grammar has no rule 'start', which is where it would begin");
    CHECK(outcome(parse_grammar, "no grammar at all").starts_with("line 1, column 1: expected"));
}
