#include "model/grammar/left_recursion.h"

#include <doctest/doctest.h>

#include <bitset>
#include <chrono>
#include <random>
#include <set>
#include <utility>

#include "model/grammar/gbnf.h"
#include "model/grammar/syntax_parts.h"
#include "tests/unit/model/grammar/grammar_texts.h"

using namespace qwend::grammar;

namespace {

/// All texts of 'a' and 'b' of at most kLongest, the slow twin's world: a text is its letters as
/// bits behind a leading one.
constexpr size_t kLongest = 5, kTexts = size_t(2) << kLongest;
using Texts = std::bitset<kTexts>;

size_t length_of(size_t text) {
    size_t n = 0;
    while (text > 1) text >>= 1, n++;
    return n;
}

Texts joined(const Texts& left, const Texts& right) {
    Texts out;
    for (size_t a = 1; a < kTexts; a++) {
        if (!left[a]) continue;
        for (size_t b = 1; b < kTexts; b++) {
            const size_t n = length_of(b);
            if (right[b] && length_of(a) + n <= kLongest)
                out.set(a << n | (b & ((size_t(1) << n) - 1)));
        }
    }
    return out;
}

Texts texts_of(const Syntax& syntax, const std::vector<Texts>& rules) {
    Texts out, power;
    switch (syntax.kind) {
        case Syntax::Kind::empty:
            out.set(1);
            return out;
        case Syntax::Kind::set:
            if (syntax.set.contains('a')) out.set(2);
            if (syntax.set.contains('b')) out.set(3);
            return out;
        case Syntax::Kind::rule:
            return rules[syntax.rule];
        case Syntax::Kind::choice:
            for (const Syntax& part : syntax.parts) out |= texts_of(part, rules);
            return out;
        case Syntax::Kind::sequence:
            out.set(1);
            for (const Syntax& part : syntax.parts) out = joined(out, texts_of(part, rules));
            return out;
        default:
            break;
    }
    power.set(1);
    for (uint32_t n = 0; n <= syntax.max && n <= syntax.min + kLongest + 1; n++) {
        if (n >= syntax.min) out |= power;
        power = joined(power, texts_of(syntax.parts[0], rules));
    }
    return out;
}

Texts texts_of(const GrammarSyntax& grammar) {
    std::vector<Texts> rules(grammar.rules.size());
    for (bool is_new = true; is_new;) {
        is_new = false;
        for (size_t i = 0; i < rules.size(); i++) {
            const Texts texts = texts_of(grammar.rules[i].syntax, rules);
            is_new |= texts != rules[i];
            rules[i] = texts;
        }
    }
    return rules[grammar.root];
}

/// What a top-down reader may enter from the rule's beginning; `empty` are rules with the empty
/// text. Whether the syntax has it too.
bool left_calls(const Syntax& syntax, const std::vector<bool>& empty, std::set<size_t>& out) {
    bool has_empty = syntax.kind == Syntax::Kind::empty || syntax.kind == Syntax::Kind::sequence ||
                     (syntax.kind == Syntax::Kind::repeat && syntax.min == 0);
    if (syntax.kind == Syntax::Kind::rule) {
        out.insert(syntax.rule);
        return empty[syntax.rule];
    }
    for (const Syntax& part : syntax.parts) {
        const bool part_has = left_calls(part, empty, out);
        if (syntax.kind == Syntax::Kind::sequence && !part_has) return false;
        has_empty |= part_has;
    }
    return has_empty;
}

bool is_left_recursive(const GrammarSyntax& grammar) {
    const size_t n = grammar.rules.size();
    std::vector<bool> empty(n, false);
    std::vector<std::set<size_t>> calls(n);
    for (size_t round = 0; round <= n; round++)
        for (size_t i = 0; i < n; i++)
            if (left_calls(grammar.rules[i].syntax, empty, calls[i])) empty[i] = true;
    for (size_t round = 0; round < n; round++)
        for (size_t i = 0; i < n; i++)
            for (size_t called : std::set<size_t>(calls[i]))
                calls[i].insert(calls[called].begin(), calls[called].end());
    for (size_t i = 0; i < n; i++)
        if (calls[i].contains(i)) return true;
    return false;
}

std::string rewritten(std::string_view text) {
    return outcome([](std::string_view t) { return without_left_recursion(parse_gbnf(t)); }, text);
}

using Random = std::mt19937;

Syntax random_syntax(Random& random, size_t n_rules, int depth) {
    const uint32_t what = random() % (depth > 0 ? 10 : 6);
    if (what < 2) return rule_of(random() % n_rules);
    if (what < 3) return rule_of(0);
    if (what < 5) return one_of(CodePointSet(random() % 2 ? 'a' : 'b'));
    if (what < 6) return {};
    std::vector<Syntax> parts;
    const size_t n = 2 + random() % 2;
    for (size_t i = 0; i < n; i++) parts.push_back(random_syntax(random, n_rules, depth - 1));
    if (what < 8) return sequence_of(std::move(parts));
    if (what < 9) return choice_of(std::move(parts));
    const uint32_t min = random() % 3;
    return repeat_of(std::move(parts[0]), min, random() % 2 ? kUnbounded : min + random() % 3);
}

GrammarSyntax random_grammar(Random& random) {
    GrammarSyntax out;
    const size_t n = 1 + random() % 4;
    for (size_t i = 0; i < n; i++) {
        std::vector<Syntax> ways;
        for (size_t k = 1 + random() % 3; k > 0; k--) ways.push_back(random_syntax(random, n, 2));
        out.rules.push_back({fmt::format("r{}", i), choice_of(std::move(ways))});
    }
    return out;
}

}  // namespace

TEST_CASE("left_recursion: what becomes of it") {
    CHECK(rewritten("root ::= root \"+\" n | n\nn ::= [0-9]+") ==
          "root* = <n> (+ <n>){0,*}\nn = [0-9]{1,*}\n");
    CHECK(rewritten("root ::= \"x\" root | \"y\"") == "root* = (x <root> | y)\n");
    SUBCASE("behind what may be empty") {
        CHECK(rewritten("root ::= b? root \"x\" | \"y\"\nb ::= \"b\"") ==
              "root* = (<b> <root> x | y) x{0,*}\nb = b\n");
        CHECK(rewritten("root ::= root? \"x\"") == "root* = x x{0,*}\n");
        CHECK(rewritten("root ::= root root | \"x\" | \"\"") ==
              "root* = <root, not empty>{0,1}\n"
              "root, not empty = x <root, not empty>{0,*}\n");
    }
    SUBCASE("through others") {
        CHECK(rewritten("root ::= a \"x\" | \"r\"\na ::= root \"y\" | \"a\"") ==
              "root* = (r <root after root> | a <root after a>)\n"
              "root after root = ('' | y <root after a>)\n"
              "root after a = x <root after root>\n");
    }
}

TEST_CASE("left_recursion: what has no text that ends is left out") {
    CHECK(rewritten("root ::= a | b | \"x\"\na ::= a\nb ::= \"y\" b") == "root* = x\n");
    CHECK(rewritten("root ::= \"x\" a* \"y\"\na ::= a \"a\"") == "root* = x y\n");
    CHECK(rewritten("root ::= a\na ::= \"x\" a") ==
          "rule 'root' has no text that ends, whatever is chosen");
    CHECK(rewritten("root ::= root") == "rule 'root' has no text that ends, whatever is chosen");
    CHECK(rewritten("root ::= root | \"\"") == "root* = ''\n");
    CHECK(rewritten("root ::= \"x\"\nunused ::= unused") == "root* = x\n");
}

TEST_CASE("left_recursion: random grammars keep their texts") {
    const uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    Random random(seed);
    size_t n_recursive = 0;
    for (int round = 0; round < 3000; round++) {
        const GrammarSyntax before = random_grammar(random);
        CAPTURE(show(before));
        GrammarSyntax after;
        try {
            after = without_left_recursion(before);
        } catch (const GrammarError&) {
            CHECK(texts_of(before).none());
            continue;
        }
        CAPTURE(show(after));
        n_recursive += is_left_recursive(before);
        CHECK_FALSE(is_left_recursive(after));
        CHECK(texts_of(before) == texts_of(after));
        for (const GrammarSyntax::Rule& rule : after.rules) CHECK_FALSE(is_nothing(rule.syntax));
    }
    CHECK(n_recursive > 300);
}

TEST_CASE("left_recursion: bounds") {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    SUBCASE("a circle of many rules") {
        std::string text = "root ::= r0\n";
        for (int i = 0; i < 2000; i++)
            text += fmt::format("r{} ::= r{} \"x\" | \"{}\"\n", i, (i + 1) % 2000, i);
        CHECK(rewritten(text).find("r0 after r") != std::string::npos);
    }
    SUBCASE("a circle where each calls each") {
        std::string text = "root ::=", all;
        for (int i = 0; i < 70; i++) text += fmt::format(" r{}", i);
        text += "\n";
        for (int i = 0; i < 70; i++) all += fmt::format("r{} \"{}\" | ", i, i);
        for (int i = 0; i < 70; i++) text += fmt::format("r{} ::= {} \"x\"\n", i, all);
        CHECK(rewritten(text).find("begins with itself, and without that the grammar has more than "
                                   "200000 parts") != std::string::npos);
    }
    SUBCASE("a circle of nothing but itself") {
        std::string text = "root ::= r0\n";
        for (int i = 0; i < 3000; i++)
            text += fmt::format("r{} ::= r{} | r{} | \"x\"\n", i, (i + 1) % 3000, (i * 7) % 3000);
        rewritten(text);
    }
    SUBCASE("a long chain") {
        std::string text = "root ::= r0\nr9999 ::= \"x\" root?\n";
        for (int i = 0; i < 9999; i++) text += fmt::format("r{} ::= r{}\n", i, i + 1);
        CHECK(rewritten(text).starts_with("root* = <r0>"));
    }
    SUBCASE("a long sequence of what may be empty") {
        std::string text = "root ::= root \"x\" | ";
        for (int i = 0; i < 9999; i++) text += "a? ";
        CHECK(rewritten(text + "\na ::= \"x\"").find("begins with itself") != std::string::npos);
    }
    CHECK(Clock::now() - begin < std::chrono::seconds(5));
}
