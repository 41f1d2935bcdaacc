#include "model/grammar/rule_facts.h"

#include <doctest/doctest.h>

#include "model/grammar/gbnf.h"

using namespace qwend::grammar;

namespace {

/// The names of the rules for which it holds.
std::string names(const GrammarSyntax& grammar, const std::vector<bool>& holds) {
    std::string out;
    for (size_t i = 0; i < holds.size(); i++)
        if (holds[i]) out += grammar.rules[i].name + " ";
    return out;
}

}  // namespace

TEST_CASE("rule_facts: which rules have a text, and which the empty one") {
    const GrammarSyntax grammar = parse_gbnf(R"(
root ::= a b | c
a ::= "a" | a "a"
b ::= b "b"
c ::= d{0,3} e*
d ::= b
e ::= c c | ""
f ::= a* "x"
g ::= f{2,} c
)");
    CHECK(names(grammar, productive_rules(grammar)) == "root a c e f g ");
    const std::vector<bool> nullable = nullable_rules(grammar);
    CHECK(names(grammar, nullable) == "root c e ");
    for (size_t i = 0; i < nullable.size(); i++)
        CHECK(is_nullable(grammar.rules[i].syntax, nullable) == nullable[i]);
}

TEST_CASE("rule_facts: circles of left calls") {
    const GrammarSyntax grammar = parse_gbnf(R"(
root ::= a | b
a ::= "x"? root "y"
b ::= "x" b
c ::= e* d
d ::= c | "d"
e ::= e
f ::= a c
)");
    const std::vector<size_t> circles = left_circles(grammar, nullable_rules(grammar));
    std::vector<bool> in_one(circles.size());
    for (size_t i = 0; i < circles.size(); i++) in_one[i] = circles[i] != kNoCircle;
    CHECK(names(grammar, in_one) == "root a c e d ");
    auto circle = [&](std::string_view name) {
        for (size_t i = 0; i < circles.size(); i++)
            if (grammar.rules[i].name == name) return circles[i];
        return kNoCircle;
    };
    CHECK(circle("root") == circle("a"));
    CHECK(circle("c") == circle("d"));
    CHECK(circle("c") != circle("e"));
    CHECK(circle("a") != circle("c"));
}
