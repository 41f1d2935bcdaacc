#include "model/grammar/compile.h"

#include <doctest/doctest.h>

#include <chrono>
#include <optional>

#include "model/grammar/automaton.h"
#include "tests/unit/model/grammar/random_syntax.h"
#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

bool accepts(Automaton& automaton, std::string_view text) {
    return automaton.accepts(automaton.after(automaton.start(), text));
}

Syntax character(char c) {
    Syntax out;
    out.kind = Syntax::Kind::set;
    out.set = CodePointSet(uint32_t(c));
    return out;
}

Syntax rule(size_t n) {
    Syntax out;
    out.kind = Syntax::Kind::rule;
    out.rule = n;
    return out;
}

Syntax of(Syntax::Kind kind, std::vector<Syntax> parts, uint32_t min = 0, uint32_t max = 0) {
    Syntax out;
    out.kind = kind;
    out.parts = std::move(parts);
    out.min = min, out.max = max;
    return out;
}

using Kind = Syntax::Kind;

/// Rules that refer to later ones at any place, and to any behind a character.
GrammarSyntax random_grammar(RandomSyntax& random) {
    GrammarSyntax out;
    const size_t n = 1 + random.random() % 4;
    for (size_t i = 0; i < n; i++) {
        random.n_rules = n - i - 1;
        Syntax plain = random.syntax(2);
        auto shift = [&](auto& self, Syntax& syntax) -> void {
            syntax.rule += i + 1;
            for (Syntax& part : syntax.parts) self(self, part);
        };
        shift(shift, plain);
        random.n_rules = n;
        const Syntax recursive =
            of(Kind::sequence, {character(random.one_in(2) ? 'a' : 'b'), random.syntax(2)});
        out.rules.push_back(
            {"r" + std::to_string(i), of(Kind::choice, {std::move(plain), recursive})});
    }
    return out;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("compile: a grammar takes the texts that its rules say") {
    RandomSyntax random;
    int n_compiled = 0, n_ambiguous = 0;
    for (int round = 0; round < 2000; round++) {
        const GrammarSyntax grammar = random_grammar(random);
        std::vector<std::string> texts;
        for (int i = 0; i < 30; i++) texts.push_back(random.text());
        std::string printed_rules;
        for (const auto& each : grammar.rules) printed_rules += "\n" + printed(each.syntax);
        CAPTURE(printed_rules);
        std::optional<Automaton> automaton;
        try {
            automaton.emplace(compile_grammar(grammar), Automaton::Reach{});
            n_compiled++;
        } catch (const GrammarError& error) {
            CHECK(std::string(error.what()) == "no text is possible");
        }
        for (const std::string& text : texts) {
            CAPTURE(text);
            bool is_text = false;
            try {
                is_text = automaton && accepts(*automaton, text);
            } catch (const GrammarError&) {
                n_ambiguous++;
                continue;
            }
            CHECK(is_text == SyntaxMatcher::matches(grammar, text));
        }
    }
    CHECK(n_compiled > 1000);
    CHECK(n_ambiguous < 1000);
}

TEST_CASE("compile: what recurs at its end does so for ever, what nests only so deep") {
    // list = "a" (list)? ; nested = "a" nested "b" | "c"
    const GrammarSyntax list{
        {{"list", of(Kind::sequence, {character('a'), of(Kind::repeat, {rule(0)}, 0, 1)})}}, 0};
    Automaton flat(compile_grammar(list), {});
    CHECK(accepts(flat, std::string(50'000, 'a')));
    const GrammarSyntax nested{
        {{"nested", of(Kind::choice, {of(Kind::sequence, {character('a'), rule(0), character('b')}),
                                      character('c')})}},
        0};
    Automaton deep(compile_grammar(nested), {});
    CHECK(accepts(deep, std::string(300, 'a') + "c" + std::string(300, 'b')));
    CHECK_FALSE(accepts(deep, std::string(500, 'a') + "c" + std::string(500, 'b')));
}

TEST_CASE("compile: assertions and grammars without a text are refused") {
    const GrammarSyntax anchored{{{"r", of(Kind::sequence, {of(Kind::text_begin, {})})}}, 0};
    CHECK_THROWS_AS((void)compile_grammar(anchored), GrammarError);
    const GrammarSyntax endless{{{"r", of(Kind::sequence, {character('a'), rule(0)})}}, 0};
    CHECK_THROWS_AS((void)compile_grammar(endless), GrammarError);
}

TEST_CASE("compile: regular expressions and choices are whole texts") {
    Automaton regex(compile_regex("[a-c]+\"|\xC3\xA9$"), {});
    CHECK(accepts(regex, "abc\""));
    CHECK(accepts(regex, "\xC3\xA9"));
    CHECK_FALSE(accepts(regex, "xabc\""));
    CHECK_FALSE(accepts(regex, "abc\"x"));
    CHECK_THROWS_AS((void)compile_regex("a^b"), GrammarError);

    Automaton choice(compile_choice({"yes", "yes please", "n\"o"}), {});
    for (const char* text : {"yes", "yes please", "n\"o"}) CHECK(accepts(choice, text));
    for (const char* text : {"", "ye", "yes ", "no"}) CHECK_FALSE(accepts(choice, text));
    CHECK_FALSE(choice.is_complete(choice.after(choice.start(), "yes")));
    CHECK_THROWS_AS((void)compile_choice({}), GrammarError);
}

TEST_CASE("compile: a hundred thousand choices are compiled at once") {
    RandomSyntax random;
    std::vector<std::string> choices;
    for (int i = 0; i < 100'000; i++) choices.push_back(std::to_string(random.random()));
    const auto begin = std::chrono::steady_clock::now();
    Automaton automaton(compile_choice(choices), {});
    CHECK(accepts(automaton, choices[777]));
    CHECK(seconds_since(begin) < 2);

    Syntax words = of(Kind::choice, {});
    for (int i = 0; i < 6'000; i++) {
        Syntax word = of(Kind::sequence, {});
        for (const char c : choices[size_t(i)].substr(0, 6)) word.parts.push_back(character(c));
        words.parts.push_back(std::move(word));
    }
    const auto begin_words = std::chrono::steady_clock::now();
    Automaton of_words(compile_grammar({{{"words", words}}, 0}), {});
    CHECK(accepts(of_words, choices[777].substr(0, 6)));
    CHECK(seconds_since(begin_words) < 2);
}
