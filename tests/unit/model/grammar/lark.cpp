#include "model/grammar/lark.h"

#include <doctest/doctest.h>

#include <chrono>

#include "model/grammar/grammar_text.h"
#include "model/grammar/left_recursion.h"
#include "tests/unit/model/grammar/grammar_texts.h"
#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

struct Row {
    std::string_view text, expected;
};

/// What the root is, of a grammar whose other rules are as plain as can be.
std::string start_of(std::string_view text) {
    const std::string all = "start: " + std::string(text) + "\na: \"a\"\nB: \"b\"\n";
    const std::string shown = outcome(parse_lark, all);
    return shown.starts_with("start* = ") ? shown.substr(9, shown.find('\n') - 9) : shown;
}

constexpr std::string_view kSql = R"lark(
// a little of SQL
start: select ";"?
select: "SELECT"i columns "FROM"i NAME [where]
?columns: "*"        -> all
        | NAME ("," NAME)*
where: "WHERE"i NAME _operator value
_operator: "=" | "<" | ">"
         | "<>"
!value: INT | STRING
NAME.2: /[a-z]/ ("_" | /[a-z]/ | DIGIT)*
STRING: "'" /[^']/* "'"
%import common (INT, DIGIT)
%import common.WS
%ignore WS
)lark";

constexpr std::string_view kArithmetic = R"lark(
?start: sum
?sum: product | sum "+" product -> add | sum "-" product -> sub
?product: atom | product "*" atom | product "/" atom
?atom: NUMBER | "-" atom | "(" sum ")"
%import common.NUMBER
%import common.WS_INLINE -> _SPACE
%ignore _SPACE
)lark";

constexpr std::string_view kJson = R"lark(
?start: value
?value: object | array | ESCAPED_STRING | SIGNED_NUMBER | "true" | "false" | "null"
array: "[" [value ("," value)*] "]"
object: "{" [pair ("," pair)*] "}"
pair: ESCAPED_STRING ":" value
%import common.ESCAPED_STRING
%import common.SIGNED_NUMBER
)lark";

constexpr std::string_view kAddress = R"lark(
start: BYTE ("." BYTE) ~ 3
BYTE: "25" "0".."5" | "2" "0".."4" DIGIT | "1" DIGIT DIGIT | ["1".."9"] DIGIT
DIGIT: "0".."9"
)lark";

constexpr std::string_view kSamples[] = {kSql, kArithmetic, kJson, kAddress};

}  // namespace

TEST_CASE("lark: what a rule says") {
    const Row rows[] = {
        {R"("ab" 'c')", "a b c"},
        {R"("\n\"\\\x41\u00e9")", "U+0A \" \\ A U+E9"},
        {R"("\d\.")", R"(\ d \ .)"},
        {R"("aB1"i "ské"i)", "[A,a] [B,b] 1 [S,s] [K,k] [U+C9,U+E9]"},
        {R"("a".."c" "x" .. "z")", "[a-c] [x-z]"},
        {"/[a-c]+/ /[x]/s", "[a-c]{1,*} x"},
        {"/\\//", "/"},
        {"a* B+ a?", "<a>{0,*} <B>{1,*} <a>{0,1}"},
        {"a~2 a ~ 2..3", "<a>{2,2} <a>{2,3}"},
        {"[a B] [a | B]", "(<a> <B>){0,1} (<a> | <B>){0,1}"},
        {"(a B)* (a\n | B)", "(<a> <B>){0,*} (<a> | <B>)"},
        {"a -> one | B -> two", "(<a> | <B>)"},
        {"a\n  | B // c\n\n  # d\n  | a B", "(<a> | <B> | <a> <B>)"},
        {"a \\\n B", "<a> <B>"},
        {"", "''"},
        {"| a", "('' | <a>)"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(start_of(row.text) == row.expected);
    }
}

TEST_CASE("lark: rules and terminals") {
    CHECK(outcome(parse_lark, "!start.1: _a A\n?_a : \"x\"\nA.-2: _B \"y\"\n_B: \"z\"") ==
          "start* = <_a> <A>\n_a = x\nA = <_B> y\n_B = z\n");
    CHECK(outcome(parse_lark, "start: INT D\n%import common.INT\n%import common.DIGIT -> D") ==
          "start* = <INT> <D>\nINT = [0-9]{1,*}\nD = [0-9]\n");
}

TEST_CASE("lark: ignored text") {
    CHECK(outcome(parse_lark, "start: A \"y\"\nA: \"x\" \"z\"\n%ignore \" \"") ==
          "%ignore = U+20{0,8}\nstart = <A> <%ignore> y <%ignore>\nA = x z\n"
          "%start* = <%ignore> <start>\n");
    CHECK(outcome(parse_lark, "start: \"x\"\n%import common.WS\n%ignore WS\n%ignore \"#\" /[a]/*")
              .starts_with("%ignore = ([U+09-U+0A,U+0C-U+0D,U+20] | # a{0,*}){0,64}\n"));
    const GrammarSyntax grammar = parse_lark(kArithmetic);
    CHECK(SyntaxMatcher::matches(grammar, "  1 + (2.5\t* -3)  "));
    CHECK_FALSE(SyntaxMatcher::matches(grammar, "1 . 5"));
    CHECK(SyntaxMatcher::matches(grammar, "1" + std::string(64, ' ') + "+2"));
    CHECK_FALSE(SyntaxMatcher::matches(grammar, "1" + std::string(65, ' ') + "+2"));
}

TEST_CASE("lark: the library of terminals") {
    const struct {
        std::string_view name, good, bad;
    } rows[] = {
        {"DIGIT", "7", "77"},
        {"HEXDIGIT", "f", "g"},
        {"INT", "007", "-1"},
        {"SIGNED_INT", "-12", "1.0"},
        {"DECIMAL", "1.", "."},
        {"FLOAT", "1e-5", "12"},
        {"SIGNED_FLOAT", "+.5e3", "5"},
        {"NUMBER", "12", "-12"},
        {"SIGNED_NUMBER", "-1.5E+10", "1e"},
        {"ESCAPED_STRING", "\"a \\\" \\\\\"", "\"a\"b\""},
        {"LCASE_LETTER", "a", "A"},
        {"UCASE_LETTER", "A", "a"},
        {"LETTER", "Z", "1"},
        {"WORD", "Word", "two words"},
        {"CNAME", "_a1", "1a"},
        {"WS_INLINE", " \t", "\n"},
        {"WS", " \t\f\r\n", ""},
        {"CR", "\r", "\n"},
        {"LF", "\n", "\r"},
        {"NEWLINE", "\r\n\n", "\r"},
        {"SH_COMMENT", "# x", "# x\n"},
        {"CPP_COMMENT", "// x", "/ x"},
        {"C_COMMENT", "/* a ** / \n **/", "/* a */ b */"},
        {"SQL_COMMENT", "--x", "-x"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        const GrammarSyntax grammar =
            parse_lark(fmt::format("start: {0}\n%import common.{0}", row.name));
        CHECK(SyntaxMatcher::matches(grammar, row.good));
        CHECK_FALSE(SyntaxMatcher::matches(grammar, row.bad));
    }
}

TEST_CASE("lark: what is refused, and where") {
    const Row rows[] = {
        {"", "the grammar has no rule 'start', which is where it would begin"},
        {"start: a", "line 1, column 8: rule 'start' uses 'a', which is not defined"},
        {"start: \"x\"\nstart: \"y\"", "line 2, column 1: rule 'start' is defined twice"},
        {"start: A\nA: B\nB: \"x\" | \"y\" A",
         "line 2, column 1: terminal 'A' refers to itself, which only a rule may"},
        {"start: A\nA: a\na: \"x\"",
         "line 2, column 4: terminal 'A' uses 'a', which is a rule and not a terminal"},
        {"start: l{\"x\"}\n", "line 1, column 8: templates (name{...}) are not supported"},
        {"start: \"x\"\nl{x}: x", "line 2, column 1: templates (name{...}) are not supported"},
        {"%declare A\nstart: A", "line 1, column 1: '%declare' is not supported"},
        {"%override a: \"x\"", "line 1, column 1: '%override' is not supported"},
        {"%extend a: \"x\"", "line 1, column 1: '%extend' is not supported"},
        {"start: %json {}", "line 1, column 8: '%json' is not supported here"},
        {"start: <|im_end|>",
         "line 1, column 8: tokens of the vocabulary (<...>) are not supported in a grammar"},
        {"%import python.NAME",
         "line 1, column 9: only terminals of lark's 'common' can be imported"},
        {"%import .mine.NAME", "line 1, column 9: expected a name, found '.'"},
        {"%import common.NOTHING", "line 1, column 16: lark's 'common' has no terminal 'NOTHING'"},
        {"start: /a/x", "line 1, column 11: the flag 'x' of a regular expression is not supported"},
        {"start: /^a/",
         "line 1, column 8: an anchor (^, $) is not supported in a terminal's regular expression"},
        {"start: /a", "line 1, column 8: this regular expression is never closed"},
        {"start: \"a\n", "line 1, column 8: this text in quotes is never closed"},
        {"start: (\"a\"\na: \"x\"", "line 1, column 8: this '(' is never closed"},
        {"start: [\"a\")", "line 1, column 8: this '[' is never closed"},
        {"start: \"a\" )", "line 1, column 12: this ')' closes nothing"},
        {"start: \"ab\"..\"c\"", "line 1, column 8: a range is from one character to another"},
        {"start: \"b\"..\"a\"", "line 1, column 8: this range ends before it begins"},
        {"start: \"b\" ~ 3..2", "line 1, column 12: at least 3 and at most 2 repeats cannot be"},
        {"start = \"x\"",
         "line 1, column 1: expected a rule (name: ...), a terminal (NAME: ...) "
         "or a statement"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(outcome(parse_lark, row.text) == row.expected);
    }
}

TEST_CASE("lark: grammars as clients write them") {
    struct Sample {
        std::string_view grammar, text;
        bool expected = true;
    };
    const Sample samples[] = {
        {kSql, "select a ,b_1\n from t  where a<>'x Y';"},
        {kSql, "SELECT * FROM t"},
        {kSql, "SELECT a FROM t WHERE = 1", false},
        {kArithmetic, "1+2*-(3.5 - 4)/5"},
        {kArithmetic, "1+*2", false},
        {kJson, R"({"a":[1,-0.5e+3,true,{}],"b":"\u00e9\n"})"},
        {kJson, R"({"a":[1,]})", false},
        {kAddress, "192.168.0.255"},
        {kAddress, "192.168.0.256", false},
    };
    for (const Sample& sample : samples) {
        CAPTURE(sample.text);
        CHECK(SyntaxMatcher::matches(parse_lark(sample.grammar), sample.text) == sample.expected);
        CHECK(SyntaxMatcher::matches(without_left_recursion(parse_lark(sample.grammar)),
                                     sample.text) == sample.expected);
    }
}

TEST_CASE("lark: every prefix is a grammar or an error") {
    for (std::string_view sample : kSamples) {
        size_t n_grammars = 0;
        for (size_t n = 0; n <= sample.size(); n++)
            n_grammars += outcome(parse_lark, sample.substr(0, n)).find(" = ") != std::string::npos;
        CHECK(n_grammars > 0);
    }
}

TEST_CASE("lark: bounds") {
    using Clock = std::chrono::steady_clock;
    auto repeated = [](std::string_view what, size_t n) {
        std::string out;
        for (size_t i = 0; i < n; i++) out += what;
        return out;
    };
    const auto begin = Clock::now();
    CHECK(start_of(repeated("(", 100'000)).ends_with("this is nested more than 200 deep"));
    CHECK(start_of(repeated("[", 100'000)).ends_with("this is nested more than 200 deep"));
    CHECK(start_of(repeated("a | ", 100'000) + "a")
              .ends_with("the grammar has more than 50000 parts"));
    CHECK(start_of("\"" + repeated("a", 100'000) + "\"i")
              .ends_with("the grammar has more than 50000 parts"));
    CHECK(start_of(repeated("\n// nothing\n", 100'000)) == "''");
    CHECK(start_of(repeated("\n?!", 100'000)).starts_with("line 2, column 1: expected"));
    CHECK(start_of(repeated("/(?i)\\p{L}|\\W/i ", 4000)).find("too large together") !=
          std::string::npos);
    // Each terminal names the next twice: what is ignored must not be looked at 2^n times.
    std::string doubled = "start: \"x\"\n%ignore T0\n";
    for (int i = 0; i < 60; i++) doubled += fmt::format("T{0}: T{1} | T{1}\n", i, i + 1);
    CHECK(outcome(parse_lark, doubled + "T60: \" \"+").starts_with("%ignore = U+20{0,64}\n"));
    std::string chain = "start: T0\n";
    for (int i = 0; i < 10'000; i++) chain += fmt::format("T{}: T{}\n", i, (i + 1) % 10'000);
    CHECK(outcome(parse_lark, chain).find("refers to itself") != std::string::npos);
    CHECK(Clock::now() - begin < std::chrono::seconds(2));
}
