#include "model/grammar/through.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "model/grammar/automaton.h"
#include "model/grammar/compile.h"

using namespace qwend::grammar;

namespace {

const std::vector<std::string> kTokens{"a",  "B",  "word", "\xC3\xA9", "\xE2\x80\xA8",
                                       "\"", "\\", "a b",  "\xC3",     std::string(20, 'a')};

Vocabulary vocabulary() {
    return Vocabulary(std::vector<std::string_view>(kTokens.begin(), kTokens.end()));
}

/// The language that a text matching the expression has to come from.
struct Expression {
    Grammar grammar;
    LanguageId language;
    explicit Expression(std::string_view pattern)
        : grammar(compile_regex(pattern)), language(grammar.nodes[grammar.root].language) {
        REQUIRE(grammar.nodes[grammar.root].kind == Node::Kind::text);
    }
    LanguageId after(std::string_view text) {
        LanguageId at = language;
        for (const char c : text) at = grammar.languages.after(at, uint8_t(c));
        return at;
    }
};

/// A character of one of the groups.
std::string random_character(std::mt19937& random, uint32_t groups) {
    const std::string longer[] = {"\xC2\x80",     "\xC3\xA9",         "\xE2\x80\xA7",
                                  "\xEF\xBF\xBF", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF",
                                  "\xE2\x80\xA8"};
    for (;;) {
        if (random() % 3 == 0) {
            const size_t which = random() % std::size(longer);
            const uint32_t group = which == 6 ? characters::kSeparators : characters::kNonAscii;
            if (groups & group) return longer[which];
        }
        const char c = char(random() % 0x80);
        if (groups & characters::group_of(uint8_t(c))) return std::string(1, c);
    }
}

}  // namespace

TEST_CASE("through: no text of the groups leads to nothing, up to the length where each does") {
    const Vocabulary words = vocabulary();
    std::mt19937 random(std::random_device{}());
    for (const char* pattern :
         {".*", "[a-z]*", "[a-z]{3,5}", "[^\"]*\"", "[^\"]*x[^\"]{3}", ".*foo.*", "[a-z]+[0-9]",
          "[a-zA-Z0-9]([a-zA-Z0-9-]{0,4}[a-zA-Z0-9])?", "[^ ]+@[a-z]+\\.[a-z]{2,}", "(ab|c)*",
          "[\\u0080-\\u{10FFFF}a-z]{2,4}", "[^\\u2028]+", "a|b", "[a-z]{1,3}(-[a-z]*)?"}) {
        CAPTURE(pattern);
        Expression expression(pattern);
        ThroughFinder finder(expression.grammar.languages, words);
        finder.allow_work();
        const Through through = finder.of(expression.language);
        if (!through.groups) continue;
        for (int round = 0; round < 300; round++) {
            const uint32_t n = uint32_t(random() % 12);
            std::string text;
            for (uint32_t i = 0; i < n; i++) text += random_character(random, through.groups);
            CAPTURE(text);
            const LanguageId to = expression.after(text);
            CHECK((to == Languages::kNothing) == (n > through.n_most));
            if (n == 0 || n > through.n_most) continue;
            const bool ends = expression.grammar.languages.has_empty(to);
            CHECK_FALSE((ends && !through.may_end));
            CHECK_FALSE((!ends && through.always_ends));
        }
    }
}

TEST_CASE("through: the groups of what is asked for most") {
    const Vocabulary words = vocabulary();
    auto of = [&](std::string_view pattern) {
        Expression expression(pattern);
        ThroughFinder finder(expression.grammar.languages, words);
        finder.allow_work();
        return finder.of(expression.language);
    };
    CHECK(of("[^\"\\\\\\u0000-\\u001F]*\"").groups == characters::kText);
    CHECK(of("[a-z]{3,5}").groups == characters::kLower);
    CHECK(of("[a-z]{3,5}").n_most == 5);
    CHECK(of("[a-z]{3,500}").n_most == kUnbounded);  // no token is as long
    CHECK((of("[^]*foo[^]*").groups & characters::kText) == characters::kText);
    CHECK(of("[0-9]*").groups == 0);
    CHECK(of("true|false").groups == 0);
}

TEST_CASE("through: what takes too long is not known, until it is asked again") {
    const Vocabulary words = vocabulary();
    Expression expression("[a-z]{3,5}");
    Languages& languages = expression.grammar.languages;
    ThroughFinder finder(languages, words);
    finder.allow_work();
    languages.allow_work(languages.work_left() / 2);
    CHECK(finder.of(expression.language).groups == 0);
    finder.allow_work();
    CHECK(finder.of(expression.language).groups == characters::kLower);
}
