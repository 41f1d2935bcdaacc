#include "model/grammar/gbnf.h"

#include <doctest/doctest.h>

#include <chrono>

#include "tests/unit/model/grammar/grammar_texts.h"
#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

struct Row {
    std::string_view text, expected;
};

/// What the root is, of a grammar whose other rules are as plain as can be.
std::string root_of(std::string_view text) {
    const std::string all = "root ::= " + std::string(text) + "\na ::= \"a\"\nb ::= \"b\"\n";
    const std::string shown = outcome(parse_gbnf, all);
    return shown.starts_with("root* = ") ? shown.substr(8, shown.find('\n') - 8) : shown;
}

constexpr std::string_view kSql = R"(
# a little of SQL
root      ::= query ";"?
query     ::= "SELECT " columns " FROM " name condition?
columns   ::= "*" | name (", " name)*
condition ::= " WHERE " name ws operator ws value
operator  ::= "=" | "<" | ">" |
              "<>"
value     ::= [0-9]+ | "'" [^']* "'"
name      ::= [a-z] [a-z0-9_]{0,30}
ws        ::= " "?
)";

constexpr std::string_view kArithmetic = R"gbnf(root ::= sum
sum ::= sum [-+] product
  | product
product ::= product [*/] value | value
value ::= [0-9]+ ("." [0-9]+)? | "(" sum ")")gbnf";

constexpr std::string_view kAddress = R"(
root ::= byte ("." byte){3}
byte ::= "25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9]? [0-9])";

constexpr std::string_view kJson = R"gbnf(
root   ::= value
value  ::= ( object | array | string | number | "true" | "false" | "null" ) ws
object ::= "{" ws ( string ws ":" ws value ("," ws string ws ":" ws value)* )? "}"
array  ::= "[" ws ( value ("," ws value)* )? "]"
string ::= "\"" ( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= | " " | "\n" [ \t]{0,20}
)gbnf";

constexpr std::string_view kChess = R"gbnf(
root   ::= ( "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")* )
move   ::= (pawn | piece | castle) [+#]?
piece  ::= [KQRBN] [a-h]? [1-8]? "x"? square
pawn   ::= ([a-h] "x")? square ("=" [QRBN])?
castle ::= "O-O" "-O"?
square ::= [a-h] [1-8]
)gbnf";

constexpr std::string_view kSamples[] = {kSql, kArithmetic, kAddress, kJson, kChess};

}  // namespace

TEST_CASE("gbnf: what a rule says") {
    const Row rows[] = {
        {R"("ab" 'c"d')", R"(a b c " d)"},
        {R"("\n\r\t\"\'\\\[\]\x41\u00e9\U0001F600")", "U+0A U+0D U+09 \" ' \\ [ ] A U+E9 U+1F600"},
        {"\"\xC3\xA9\xF0\x9F\x98\x80\"", "U+E9 U+1F600"},
        {"[a-cx]", "[a-c,x]"},
        {"[-a] [a-] [+--] [a-c-e]", "[-,a] [-,a] [+--] [-,a-c,e]"},
        {R"([\]\[\\\-\x41-\x43])", "[-,A-C,[-]]"},
        {"[^a]", "[U+00-`,b-U+D7FF,U+E000-U+10FFFF]"},
        {R"([\d_])", "[0-9,_]"},
        {R"(a [^\w\W])", "[]"},
        {"\"\" | \"\"", "''"},
        {"[^]", "."},
        {". a.*", ". <a> .{0,*}"},
        {"a* a+ a? a{2} a{2,} a{2,3} a{,3} a{ 2 , 3 }",
         "<a>{0,*} <a>{1,*} <a>{0,1} <a>{2,2} <a>{2,*} <a>{2,3} <a>{0,3} <a>{2,3}"},
        {"a{0} b", "<b>"},
        {"a {1} b", "<a> <b>"},
        {"(a b)* (a | b)+", "(<a> <b>){0,*} (<a> | <b>){1,*}"},
        {"a*+", "<a>{0,*}{1,*}"},
        {"\"ab\"*", "(a b){0,*}"},
        {"a | b | \"x\" | \"y\"", "(<a> | <b> | [x-y])"},
        {"a |", "(<a> | '')"},
        {"| a", "('' | <a>)"},
        {"", "''"},
        {"()", "''"},
        {"(((((a)))))", "<a>"},
        {"(a # one\n  # two\n | b\n)", "(<a> | <b>)"},
        {"a |\n\n b", "(<a> | <b>)"},
        {"a\n  | b\n", "(<a> | <b>)"},
        {"a\n\n  b\n", "<a> <b>"},
        {"\n  a", "<a>"},
        {"\"a\nb\"", "a U+0A b"},
        {"[\n]", "U+0A"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(root_of(row.text) == row.expected);
    }
}

TEST_CASE("gbnf: rules") {
    CHECK(outcome(parse_gbnf, "root::=a-1_b c.d\na-1_b ::= \"x\"\r\nc.d\n ::= \"y\"") ==
          "root* = <a-1_b> <c.d>\na-1_b = x\nc.d = y\n");
    CHECK(outcome(parse_gbnf, "a ::= \"x\"\nroot ::= root a | unused2 a\nunused2 ::= a") ==
          "a = x\nroot* = (<root> <a> | <unused2> <a>)\nunused2 = <a>\n");
}

TEST_CASE("gbnf: what is refused, and where") {
    const Row rows[] = {
        {"", "the grammar has no rule 'root', which is where it would begin"},
        {"a ::= \"x\"", "the grammar has no rule 'root', which is where it would begin"},
        {"root ::= \"x\"\n  missing",
         "line 2, column 3: rule 'root' uses 'missing', which is not "
         "defined"},
        {"root ::= \"x\"\nroot ::= \"y\"", "line 2, column 1: rule 'root' is defined twice"},
        {"this is no grammar", "line 1, column 1: expected a rule (name ::= ...), found 't'"},
        {"root ::= \"\xC3\xA9\" )", "line 1, column 14: this ')' closes nothing"},
        {"root ::= (\"x\"\nb ::= \"y\"", "line 1, column 10: this '(' is never closed"},
        {"root ::= \"x", "line 1, column 10: this text in quotes is never closed"},
        {"root ::= [a", "line 1, column 10: this '[' is never closed"},
        {"root ::= []", "line 1, column 10: no character is in this class"},
        {"root ::= [z-a]", "line 1, column 11: the range z-a ends before it begins"},
        {"root ::= \"\\q\"",
         "line 1, column 11: no character is written with a backslash like "
         "this"},
        {"root ::= \"\\x4g\"",
         "line 1, column 14: expected 2 hexadecimal digits, found 1 and then 'g'"},
        {"root ::= \"\\U00110000\"", "line 1, column 21: U+110000 is no code point"},
        {"root ::= \"\\ud800\"", "line 1, column 11: U+D800 is half of a pair, which no text has"},
        {"root ::= \"\xFF\"", "line 1, column 11: this is not UTF-8"},
        {"root ::= \"x\"{3,2}", "line 1, column 13: at least 3 and at most 2 repeats cannot be"},
        {"root ::= \"x\"{,}", "line 1, column 15: expected a number of repeats, found '}'"},
        {"root ::= \"x\"{1000000}",
         "line 1, column 14: more than 100000 repeats cannot be asked "
         "for"},
        {"root ::= \"x\"{1", "line 1, column 15: expected a '}', found the end of the grammar"},
        {"root ::= *",
         "line 1, column 10: expected a rule's name, a text in quotes, a class or a "
         "group, found '*'"},
        {"root ::= a b ::= \"x\"", "line 1, column 12: a rule begins on a line of its own"},
        {"root ::= <think>",
         "line 1, column 10: tokens of the vocabulary (<name>, <[id]>, "
         "!<name>) are not supported in a grammar"},
        {"root ::= !<[7]>",
         "line 1, column 10: tokens of the vocabulary (<name>, <[id]>, "
         "!<name>) are not supported in a grammar"},
        {"root ::= (= \"x\")",
         "line 1, column 10: a look-ahead (= ) is not supported in a grammar"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(outcome(parse_gbnf, row.text) == row.expected);
    }
}

TEST_CASE("gbnf: grammars as clients write them") {
    struct Sample {
        std::string_view grammar, text;
        bool expected = true;
    };
    const Sample samples[] = {
        {kSql, "SELECT a, b_1 FROM t WHERE a <> 'x y';"},
        {kSql, "SELECT * FROM t"},
        {kSql, "SELECT a FROM t WHERE a = ", false},
        {kArithmetic, "1+2*(3.5-4)/5-6"},
        {kArithmetic, "1+*2", false},
        {kAddress, "192.168.0.255"},
        {kAddress, "192.168.0.256", false},
        {kAddress, "1.2.3", false},
        {kJson, R"({"a": [1, -0.5e+3, true, {}],"b":"\u00e9\n"})"},
        {kJson, R"({"a": 01})", false},
        {kJson, R"(["a)", false},
        {kChess, "1. e4 e5\n2. Nf3 Nc6\n3. O-O-O Qxd8=\n", false},
        {kChess, "1. e4 e5\n2. Nf3 Nc6\n3. O-O exd8=Q+\n"},
    };
    for (const Sample& sample : samples) {
        CAPTURE(sample.text);
        CHECK(SyntaxMatcher::matches(parse_gbnf(sample.grammar), sample.text) == sample.expected);
    }
}

TEST_CASE("gbnf: every prefix is a grammar or an error") {
    for (std::string_view sample : kSamples) {
        size_t n_grammars = 0;
        for (size_t n = 0; n <= sample.size(); n++)
            n_grammars += outcome(parse_gbnf, sample.substr(0, n)).find(" = ") != std::string::npos;
        CHECK(n_grammars > 0);
    }
}

TEST_CASE("gbnf: bounds") {
    using Clock = std::chrono::steady_clock;
    auto repeated = [](std::string_view what, size_t n) {
        std::string out;
        for (size_t i = 0; i < n; i++) out += what;
        return out;
    };
    const auto begin = Clock::now();
    CHECK(root_of(repeated("(", 100'000)).ends_with("this is nested more than 200 deep"));
    CHECK(root_of(repeated("(", 150) + "a" + repeated(")", 150)) == "<a>");
    CHECK(root_of(repeated("(a ", 150) + repeated(")?", 150)) ==
          "line 2, column 1: rule 'root' is nested more than 200 deep");
    CHECK(root_of("a" + repeated("*", 100'000)).ends_with("too many repeats of repeats"));
    CHECK(root_of(repeated("a | ", 100'000) + "a")
              .ends_with("the grammar has more than 50000 parts"));
    CHECK(root_of("\"" + repeated("a", 100'000) + "\"")
              .ends_with("the grammar has more than 50000 parts"));
    CHECK(root_of(repeated("\n# nothing\n", 100'000)) == "''");
    CHECK(root_of(repeated("[", 100'000)).ends_with("'[' is never closed"));
    std::string scattered = "[";
    for (uint32_t c = 0x9FFF; c > 0x3400; c -= 2) scattered += fmt::format("\\u{:04X}", c);
    CHECK(root_of(scattered + "]").starts_with("[U+3401,U+3403"));
    std::string rules = "root ::= r0\n";
    for (int i = 0; i < 20'000; i++) rules += fmt::format("r{} ::= r{}\n", i, i + 1);
    CHECK(outcome(parse_gbnf, rules) ==
          "line 20001, column 12: rule 'r19999' uses 'r20000', which is not defined");
    CHECK(Clock::now() - begin < std::chrono::seconds(2));
}
