#include "model/grammar/regular.h"

#include <doctest/doctest.h>

#include <chrono>
#include <set>

#include "model/grammar/regex_syntax.h"
#include "model/grammar/spelling.h"
#include "tests/unit/model/grammar/random_syntax.h"
#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

Syntax node(Syntax::Kind kind, std::vector<Syntax> parts = {}) {
    Syntax out;
    out.kind = kind;
    out.parts = std::move(parts);
    return out;
}

Syntax any_text() {
    Syntax out = node(Syntax::Kind::repeat, {node(Syntax::Kind::set)});
    out.parts[0].set = CodePointSet::all();
    out.max = kUnbounded;
    return out;
}

/// A tree with look-aheads at the begin, as some patterns have them.
Syntax with_look_aheads(RandomSyntax& random) {
    Syntax out = node(Syntax::Kind::sequence, {node(Syntax::Kind::text_begin)});
    for (int n = int(random.random() % 3); n > 0; n--) {
        Syntax ahead = node(Syntax::Kind::look_ahead, {random.syntax(2)});
        ahead.negated = random.one_in(2);
        out.parts.push_back(std::move(ahead));
    }
    out.parts.push_back(random.syntax(2));
    return out;
}

bool pattern_says(std::string_view pattern, std::string_view text, bool anywhere) {
    Languages languages;
    languages.allow_work(size_t(1) << 40);
    const Syntax syntax = parse_regex(pattern);
    return languages.contains(
        anywhere ? search(languages, syntax, utf8_char) : full_match(languages, syntax, utf8_char),
        text);
}

}  // namespace

TEST_CASE("regular: a language has what its tree says, in either spelling") {
    RandomSyntax random;
    for (int round = 0; round < 3000; round++) {
        random.assertions = random.one_in(2);
        const Syntax syntax = random.one_in(3) ? with_look_aheads(random) : random.syntax(3);
        Syntax anywhere = node(Syntax::Kind::sequence, {any_text(), syntax, any_text()});
        Languages languages;
        languages.allow_work(size_t(1) << 40);
        CAPTURE(printed(syntax));
        const LanguageId full[] = {full_match(languages, syntax, utf8_char),
                                   full_match(languages, syntax, json_char)};
        const LanguageId found[] = {search(languages, syntax, utf8_char),
                                    search(languages, syntax, json_char)};
        bool any = false;
        for (int i = 0; i < 30; i++) {
            const std::string text = random.text(), body = json_body(text);
            CAPTURE(text);
            const bool matches = SyntaxMatcher::matches(syntax, text),
                       is_found = SyntaxMatcher::matches(anywhere, text);
            CHECK(languages.contains(full[0], text) == matches);
            CHECK(languages.contains(full[1], body) == matches);
            CHECK(languages.contains(found[0], text) == is_found);
            CHECK(languages.contains(found[1], body) == is_found);
            any = any || matches;
        }
        if (any) CHECK_FALSE(languages.is_empty(full[0]));
    }
}

TEST_CASE("regular: where patterns are anchored, and what they look ahead to") {
    for (const bool anywhere : {false, true}) {
        CHECK(pattern_says("^ab$", "ab", anywhere));
        CHECK(pattern_says("^(?!a$).*$", "ab", anywhere));
        CHECK_FALSE(pattern_says("^(?!a$).*$", "a", anywhere));
        CHECK(pattern_says("^(?=.*b)[ab]+$", "ab", anywhere));
        CHECK_FALSE(pattern_says("^(?=.*b)[ab]+$", "aa", anywhere));
        CHECK(pattern_says("^(?!x)(?!y).|^z$", "z", anywhere));
    }
    CHECK(pattern_says("b|^c", "abd", true));
    CHECK_FALSE(pattern_says("b|^c", "acd", true));
    CHECK(pattern_says("(^a)?b", "cb", true));
    CHECK_THROWS_AS((void)pattern_says("(?=a)b", "ab", true), GrammarError);
    CHECK_THROWS_AS((void)pattern_says("a(?=b)b", "ab", false), GrammarError);
    CHECK_THROWS_AS((void)pattern_says("(^a)+", "a", false), GrammarError);
}

TEST_CASE("regular: anchors deep within groups and among many parts cost no more than others") {
    const auto begin = std::chrono::steady_clock::now();
    std::string nested = "^a", optional = "^";
    for (int i = 0; i < 60; i++) nested = "(" + nested + "|b)c?";
    for (int i = 0; i < 20'000; i++) optional += "a?";
    Languages languages;
    CHECK(languages.contains(search(languages, parse_regex(nested), utf8_char), "b"));
    CHECK_FALSE(languages.is_empty(search(languages, parse_regex(optional), utf8_char)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    CHECK(took.count() < 5);
}

TEST_CASE("regular: thousands of words that begin alike are few alternatives") {
    Syntax words = node(Syntax::Kind::choice);
    std::set<std::string> all;
    std::mt19937 random(std::random_device{}());
    while (all.size() < 8'000) {
        std::string word;
        Syntax sequence = node(Syntax::Kind::sequence);
        for (size_t n = 3 + random() % 3; n > 0; n--) {
            word += char('a' + random() % 26);
            sequence.parts.push_back(node(Syntax::Kind::set));
            sequence.parts.back().set = CodePointSet(uint32_t(word.back()));
        }
        if (all.insert(word).second) words.parts.push_back(std::move(sequence));
    }
    Languages languages;
    const LanguageId language = full_match(languages, words, utf8_char);
    for (const std::string& word : all) CHECK(languages.contains(language, word));
    for (int i = 0; i < 1000; i++) {
        std::string word;
        for (size_t n = 3 + random() % 3; n > 0; n--) word += char('a' + random() % 26);
        CHECK(languages.contains(language, word) == all.contains(word));
    }
}
