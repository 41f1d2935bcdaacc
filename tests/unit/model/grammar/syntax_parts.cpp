#include "model/grammar/syntax_parts.h"

#include <utility>

#include <doctest/doctest.h>

#include "model/grammar/unicode_sets.h"
#include "tests/unit/model/grammar/grammar_texts.h"

using namespace qwend::grammar;

namespace {

Syntax letter(char c) {
    return one_of(CodePointSet(uint32_t(c)));
}

template <typename... Parts>
std::vector<Syntax> list(Parts... parts) {
    return {std::move(parts)...};
}

std::string shown(const Syntax& syntax) {
    return show(syntax, {{"r", {}}});
}

}  // namespace

TEST_CASE("syntax_parts: what is built is as plain as can be") {
    const Syntax a = letter('a'), b = letter('b'), empty, rule = rule_of(0);
    const Syntax ab = sequence_of(list(a, b));
    CHECK(shown(sequence_of({})) == "''");
    CHECK(shown(sequence_of(list(a))) == "a");
    CHECK(shown(sequence_of(list(a, empty, ab))) == "a a b");
    CHECK(is_nothing(sequence_of(list(a, nothing(), b))));
    CHECK(is_nothing(choice_of({})));
    CHECK(shown(choice_of(list(rule, nothing()))) == "<r>");
    CHECK(shown(choice_of(list(empty, a, rule, empty, b))) == "('' | [a-b] | <r>)");
    CHECK(shown(choice_of(list(choice_of(list(ab, rule)), a))) == "(a b | <r> | a)");
    CHECK(shown(repeat_of(a, 1, 1)) == "a");
    CHECK(shown(repeat_of(a, 0, 0)) == "''");
    CHECK(shown(repeat_of(nothing(), 0, kUnbounded)) == "''");
    CHECK(is_nothing(repeat_of(nothing(), 1, kUnbounded)));
}

TEST_CASE("syntax_parts: what a tree costs") {
    const Syntax a = letter('a');
    const Syntax tree = repeat_of(sequence_of(list(a, repeat_of(a, 0, 1), a)), 2, 3);
    CHECK(node_count(tree) == 6);
    CHECK(depth(tree) == 4);
    std::vector<CodePointRange> scattered;
    for (uint32_t c = 0x1000; c < 0x1400; c += 2) scattered.push_back({c, c});
    CHECK(node_count(one_of(set_of(scattered))) == 1 + 512 / kRangesPerNode);
}
