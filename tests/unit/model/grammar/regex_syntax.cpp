#include "model/grammar/regex_syntax.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

/// The tree, or what the error says.
std::string parsed(std::string_view pattern) {
    try {
        return printed(parse_regex(pattern));
    } catch (const GrammarError& error) {
        return error.what();
    }
}

struct Case {
    std::string pattern, expected;
};

void check(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        CAPTURE(one.pattern);
        CHECK(parsed(one.pattern) == one.expected);
    }
}

std::string repeated(std::string_view text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; i++) out += text;
    return out;
}

size_t depth_of(const Syntax& syntax) {
    size_t deepest = 0;
    for (const Syntax& part : syntax.parts) deepest = std::max(deepest, depth_of(part));
    return deepest + 1;
}

/// Whether the pattern says the text, and all of it.
bool matches(std::string_view pattern, std::string_view text) {
    return SyntaxMatcher::matches(parse_regex(pattern), text);
}

}  // namespace

TEST_CASE("regex_syntax: what a pattern is as a tree") {
    check({{"", "empty"},
           {"a", "a"},
           {"ab", "(seq a b)"},
           {"a(bc)d", "(seq a b c d)"},
           {"(a|b)|c", "(alt a b c)"},
           {"a|(b|c)", "(alt a b c)"},
           {"a(b|c)", "(seq a (alt b c))"},
           {"|a", "(alt empty a)"},
           {"()", "empty"},
           {"a()b", "(seq a b)"},
           {"(?:a)(?<n>b)(?P<m1>c)(?<é$_>d)", "(seq a b c d)"},
           {"a*b+c?", "(seq (rep 0 * a) (rep 1 * b) (rep 0 1 c))"},
           {"a*?b+?c??", "(seq (rep 0 * a) (rep 1 * b) (rep 0 1 c))"},
           {"a{2}b{2,}c{2,3}?", "(seq (rep 2 2 a) (rep 2 * b) (rep 2 3 c))"},
           {"(?:ab){0,100000}", "(rep 0 100000 (seq a b))"},
           {"(a*)*", "(rep 0 * (rep 0 * a))"},
           {"(^)*", "(rep 0 * begin)"},
           {"a{1}b{0}c", "(seq a c)"},
           {"()*", "empty"},
           {"^a$|\\Ab\\z|c\\Z", "(alt (seq begin a end) (seq begin b end) (seq c end))"},
           {"(?=a)b(?!c|d)", "(seq (ahead a) b (not-ahead (alt c d)))"},
           {"{", "{"},
           {"a{}]}{x}{1{1,", "(seq a { } \\u{5d} } { x } { 1 { 1 ,)"}});
}

TEST_CASE("regex_syntax: characters, their escapes and classes") {
    check(
        {{"é😀", "(seq \\u{e9} \\u{1f600})"},
         {R"(\t\n\v\f\r\0)", R"((seq \u{9} \u{a} \u{b} \u{c} \u{d} \u{0}))"},
         {R"(\x41\u0042\u{43}\u{1F600}\cJ)", R"((seq A B C \u{1f600} \u{a}))"},
         {R"(\uD83D\uDE00[\uD83D\uDE00-\uD83D\uDE02])", R"((seq \u{1f600} [\u{1f600}-\u{1f602}]))"},
         {R"(\uD83D)", "[]"},  // half a pair, which no text of UTF-8 has
         {R"(\uD83D\u0041)", "(seq [] A)"},
         {R"(\uD83D\x)", "regex, byte 6: \\x is not followed by 2 hexadecimal digits"},
         {R"(\.\-\_\/\é\ )", R"((seq . \u{2d} _ / \u{e9} \u{20}))"},
         {R"(\d\w)", "(seq [0-9] [0-9A-Z_a-z])"},
         {R"([^\D][^\W])", "(seq [0-9] [0-9A-Z_a-z])"},
         {R"(\s)", R"([\u{9}-\u{d}\u{20}\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f})"
                   R"(\u{205f}\u{3000}\u{feff}])"},
         {".", R"([\u{0}-\u{9}\u{b}\u{c}\u{e}-\u{2027}\u{202a}-\u{d7ff}\u{e000}-\u{10ffff}])"},
         {R"([\s\S])", "[any]"},
         {"[^]", "[any]"},
         {"[]", "[]"},
         {"[a-cb-dx]", "[a-dx]"},
         {"[.*+?(){}|^$]", R"([$(-+.?\u{5e}{-}])"},
         {"[-a]", R"([\u{2d}a])"},
         {"[a-]", R"([\u{2d}a])"},
         {"[a\\-z]", R"([\u{2d}az])"},
         {"[a-\\d]", R"([\u{2d}0-9a])"},
         {"[\\w-.]", R"([\u{2d}.0-9A-Z_a-z])"},
         {"[\\b\\]\\\\]", R"([\u{8}\u{5c}\u{5d}])"},
         {"[[:a]", "[:\\u{5b}a]"},
         {R"([\p{Lu}--[])", parsed(R"([\p{Lu}\-\[])")},
         {R"(\p{Zs}|\p{gc=Zl}|\p{General_Category=Paragraph_Separator})",
          R"((alt [\u{20}\u{a0}\u{1680}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}] \u{2028} \u{2029}))"},
         {R"(\p{Any}\p{ASCII}\P{Any})", R"((seq [any] [\u{0}-\u{7f}] []))"},
         {R"([\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Other}])", "[any]"}});
}

TEST_CASE("regex_syntax: flags") {
    check({{"(?i)a1", "(seq [Aa] 1)"},
           {"(?s).", "[any]"},
           {"(?is).a", "(seq [any] [Aa])"},
           {"(?i)(?s).a", "(seq [any] [Aa])"},
           {"(?i:a)a", "(seq [Aa] a)"},
           {"(?i)(?-i:a)a", "(seq a [Aa])"},
           {"(?i:(a)(?-i:a)a)", "(seq [Aa] a [Aa])"},
           {"(?s-i:.)", "[any]"},
           {"(?i)[a-c]", "[A-Ca-c]"},
           {"(?i)[^k]", R"([\u{0}-JL-jl-\u{2129}\u{212b}-\u{d7ff}\u{e000}-\u{10ffff}])"},
           {"(?i)k", R"([Kk\u{212a}])"},
           {"(?i)\\x4b", R"([Kk\u{212a}])"},
           {"(?i)ß", R"([\u{df}\u{1e9e}])"},
           {"(?i)σ", R"([\u{3a3}\u{3c2}\u{3c3}])"},
           {"(?i)İ", R"(\u{130})"},
           {"(?i)\\w", R"([0-9A-Z_a-z\u{17f}\u{212a}])"},
           {"(?i)[^\\W]", R"([0-9A-Z_a-z\u{17f}\u{212a}])"},
           {"(?i)[\\d\\s]", parsed("[\\d\\s]")}});
    CHECK(matches("(?i)\\p{Lu}", "a"));
    CHECK_FALSE(matches("\\p{Lu}", "a"));
}

TEST_CASE("regex_syntax: what is malformed") {
    check({{"*a", "regex, byte 0: * has nothing to repeat"},
           {"a|+", "regex, byte 2: + has nothing to repeat"},
           {"(?)", "regex, byte 0: what follows (? is no kind of group"},
           {"({2})", "regex, byte 1: {2} has nothing to repeat"},
           {"a**", "regex, byte 2: * has nothing to repeat"},
           {"a{2}{3}", "regex, byte 4: {3} has nothing to repeat"},
           {"^*", "regex, byte 1: * repeats an assertion"},
           {"\\Z+", "regex, byte 2: + repeats an assertion"},
           {"(?=a){2}", "regex, byte 5: {2} repeats an assertion"},
           {"a{3,2}", "regex, byte 1: {3,2} has its bounds in the wrong order"},
           {"a{100001}", "regex, byte 1: {100001} is more than 100000 times"},
           {"a{1,99999999999999999999999}",
            "regex, byte 1: {1,99999999999999999999999} is more than 100000 times"},
           {"a{,3}", "regex, byte 1: {,3} is ambiguous: write {0,3} or \\{,3}"},
           {"(a", "regex, byte 0: the ( is not closed"},
           {"é(a|(b)", "regex, byte 2: the ( is not closed"},
           {"a)b", "regex, byte 1: the ) closes no group"},
           {"a[b", "regex, byte 1: the [ is not closed"},
           {"[a-", "regex, byte 0: the [ is not closed"},
           {"[b-a]", "regex, byte 1: the range b-a is in the wrong order"},
           {"[[:alpha:]]", "regex, byte 1: the POSIX class [:alpha:] is not supported"},
           {"a\\", "regex, byte 1: a backslash ends the pattern"},
           {"[\\", "regex, byte 1: a backslash ends the pattern"},
           {"\\u{110000}", "regex, byte 0: \\u{…} is above 10FFFF"},
           {"\\u{}", "regex, byte 0: \\u{ is not followed by hexadecimal digits and a }"},
           {"\\u{41", "regex, byte 0: \\u{ is not followed by hexadecimal digits and a }"},
           {"\\u12", "regex, byte 0: \\u is not followed by 4 hexadecimal digits"},
           {"\\x1g", "regex, byte 0: \\x is not followed by 2 hexadecimal digits"},
           {"\\c1", "regex, byte 0: \\c is not followed by a letter"},
           {"\\pL", "regex, byte 0: \\p is not followed by a name in braces"},
           {"\\p{L", "regex, byte 0: \\p{ is not followed by a name in braces"},
           {"(?<1>a)", "regex, byte 0: the group's name is not one, or is not followed by >"},
           {"(?<n", "regex, byte 0: the group's name is not one, or is not followed by >"},
           {"a\xFF", "regex, byte 1: the pattern is not UTF-8"},
           {"\xED\xA0\x80", "regex, byte 0: the pattern is not UTF-8"}});
}

TEST_CASE("regex_syntax: what is not supported is named") {
    check({{"x(?<=a)", "regex, byte 1: the look-behind (?<= is not supported"},
           {"(?<!a)", "regex, byte 0: the look-behind (?<! is not supported"},
           {"(?>a)", "regex, byte 0: the atomic group (?> is not supported"},
           {"(?(1)a)", "regex, byte 0: the conditional group (?( is not supported"},
           {"(?#a)", "regex, byte 0: the comment (?# is not supported"},
           {"(a)\\12", "regex, byte 3: the back-reference \\12 is not supported"},
           {"(?<n>a)\\k<n>", "regex, byte 7: the back-reference \\k is not supported"},
           {"(?P<n>a)(?P=n)", "regex, byte 8: the back-reference (?P= is not supported"},
           {"\\01", "regex, byte 0: the octal escape \\01 is not supported"},
           {"[\\1]", "regex, byte 1: the octal escape \\1 is not supported"},
           {"\\bcat", "regex, byte 0: the word boundary \\b is not supported"},
           {"\\Bcat", "regex, byte 0: the word boundary \\B is not supported"},
           {"[\\B]", "regex, byte 1: \\B has no meaning in a class"},
           {"[\\Z]", "regex, byte 1: \\Z has no meaning in a class"},
           {"a*+", "regex, byte 1: the possessive quantifier *+ is not supported"},
           {"a{2,3}+", "regex, byte 1: the possessive quantifier {2,3}+ is not supported"},
           {"(?m)^a", "regex, byte 0: the flag m is not supported"},
           {"(?ix)a", "regex, byte 0: the flag x is not supported"},
           {"a(?i)b", "regex, byte 1: flags may only stand where the pattern begins"},
           {"\\a", "regex, byte 0: \\a has no meaning"},
           {"\\p{Script=Greek}",
            "regex, byte 0: \\p{Script=Greek} is not supported: only general categories are, Any "
            "and ASCII"},
           {"a\\P{Han}",
            "regex, byte 1: \\P{Han} is not supported: only general categories are, Any and ASCII"},
           {"\\p{" + repeated("é", 1000) + "}",
            "regex, byte 0: \\p{" + repeated("é", 30) +
                "… is not supported: only general categories are, Any and ASCII"}});
}

TEST_CASE("regex_syntax: the texts that a pattern says") {
    struct {
        const char* pattern;
        std::vector<const char*> yes, no;
    } cases[] = {
        {"a*|b", {"", "a", "aaa", "b"}, {"ab", "bb"}},
        {"(a|ab)(c|bcd)", {"ac", "abcd", "abc"}, {"ab", "abbc"}},
        {"(?:a{2}){2,3}", {"aaaa", "aaaaaa"}, {"aa", "aaaaa", "aaaaaaaa"}},
        {"a^b|b$c|d", {"d"}, {"ab", "bc"}},
        {"(^|a)b($|c)", {"b", "ab", "bc", "abc"}, {"bb"}},
        {"(?=.{3}$)a*b*", {"aab", "bbb"}, {"ab", "aabb"}},
        {"(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*", {"1", "-0.5", ".5", "007"}, {"", "-", ".", "-."}},
        {"(a(?!b)|b)*", {"aa", "ba", "bb"}, {"ab", "aab"}},
        {"(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!$)|$)){4}",
         {"127.0.0.1", "255.255.255.255"},
         {"1.2.3", "1.2.3.4.", "256.1.1.1"}},
        {"[^\\d\\s]+", {"é-_", "😀"}, {"", "a1", "a b", "\xC2\xA0"}},
        {"(a*)*b", {"b", "aab"}, {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"}},
    };
    for (const auto& one : cases) {
        for (const char* text : one.yes)
            CHECK_MESSAGE(matches(one.pattern, text), one.pattern, " and ", text);
        for (const char* text : one.no)
            CHECK_MESSAGE(!matches(one.pattern, text), one.pattern, " and ", text);
    }
}

TEST_CASE("regex_syntax: whatever begins like a pattern is one or is refused") {
    for (const std::string pattern :
         {"(?i)(?<name>a|[^b-d\\]\\d]{2,30}?)|\\u{1F600}\\uD83D\\uDE00\\x41\\cA\\p{Lu}\\P{gc=Nd}$",
          "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", "(?P<n>(?is-i:.|[[:a-é])+)*\\A\\Z(?=x)(?>y)",
          "a{1,2}{,3}[\\w-.][a-\\d]\\0\\1"}) {
        for (size_t n = 0; n <= pattern.size(); n++) {
            (void)parsed(pattern.substr(0, n));
            (void)parsed(pattern.substr(n));
            (void)parsed(pattern.substr(0, n) + ")" + pattern.substr(n));
        }
    }
}

TEST_CASE("regex_syntax: nothing is too deep or too large") {
    const size_t most = (kMaxSyntaxDepth - 4) / 3;
    auto nested = [](const char* open, const char* close, size_t n) {
        return repeated(open, n) + "a" + repeated(close, n);
    };
    CHECK(parsed(nested("(", ")", most)) == "a");
    CHECK(depth_of(parse_regex("x|y" + nested("(b|c", ")*", most))) <= kMaxSyntaxDepth);
    CHECK(depth_of(parse_regex("x|y" + nested("(?=b|c", ")", most))) <= kMaxSyntaxDepth);
    CHECK(parsed(nested("(", ")", most + 1)) ==
          "regex, byte 65: groups are nested more than 65 deep");
    for (const char* open : {"(", "(?:", "(?=", "(?!", "(?i:", "(?<n>", "(a|b*"})
        CHECK(parsed(repeated(open, 100'000)).find("nested more than") != std::string::npos);

    CHECK(parse_regex(std::string(kMaxSyntaxNodes - 1, 'a')).parts.size() == kMaxSyntaxNodes - 1);
    const std::string too_many = "the pattern has more than 50000 parts";
    for (const char* unit : {"a", "a|", "|", "()", "a*", "\\d", "^", "[a]", "(a|b)", "(?=a)", "{1"})
        CHECK(parsed(repeated(unit, 100'000)).find(too_many) != std::string::npos);
    CHECK(parsed(repeated("\\p{L}", 20'000)).find("too large together") != std::string::npos);
    CHECK(parsed("(?i)" + repeated("[ -\\uffff]", 20'000)).find("too large together") !=
          std::string::npos);
    for (const char* unit : {"[", "[a-", "[^", "{", "{1,", "\\u", "\\p{", "(?", "(?<n", "\\"})
        (void)parsed(repeated(unit, 100'000));

    // Descending, so that each is before those that are known.
    std::string wide = "[";
    for (uint32_t c = 0x17FFE; c >= 0x10000; c -= 2) wide += fmt::format("\\u{{{:x}}}", c);
    CHECK(parse_regex(wide + "]").set.ranges().size() == 16'384);
    CHECK(parsed("[" + repeated("\\p{L}\\w\\S", 30'000) + "]") == parsed("[\\p{L}\\w\\S]"));
}
