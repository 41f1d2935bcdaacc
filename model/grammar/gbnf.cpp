#include "model/grammar/gbnf.h"

#include <fmt/format.h>

#include <utility>

#include "model/grammar/notation_reader.h"
#include "model/grammar/rule_table.h"
#include "model/grammar/syntax_parts.h"
#include "model/grammar/unicode_sets.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

class GbnfParser {
  public:
    explicit GbnfParser(std::string_view text) : reader_(text), rules_(reader_) {}

    GrammarSyntax parse() {
        for (skip_space(); !reader_.at_end(); skip_space()) parse_rule();
        return rules_.finish("root");
    }

  private:
    void skip_space();
    bool at_name() const { return is_name_char(reader_.peek()); }
    static bool is_name_char(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; }
    std::string_view take_name();
    bool at_rule();
    void parse_rule();
    Syntax parse_choice();
    Syntax parse_sequence();
    Syntax parse_repeats(Syntax part);
    Syntax parse_count(Syntax part);
    Syntax parse_part();
    Syntax parse_group();
    Syntax parse_literal();
    Syntax parse_class();
    uint32_t parse_escape();
    static bool named_class(char name, std::vector<CodePointRange>& out);

    NotationReader reader_;
    RuleTable rules_;
    std::string rule_;  // being read
};

void GbnfParser::skip_space() {
    for (;;) {
        const char c = reader_.peek();
        if (c == '#')
            reader_.skip_line();
        else if (!reader_.at_end() && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            reader_.skip(1);
        else
            return;
    }
}

std::string_view GbnfParser::take_name() {
    const size_t begin = reader_.at();
    // A dot belongs to the name that goes on behind it; at its end it is any code point.
    while (at_name() ||
           (reader_.peek() == '.' && reader_.at() > begin && is_name_char(reader_.peek(1))))
        reader_.skip(1);
    return reader_.since(begin);
}

/// Whether a rule begins here, which is where the one before it ends.
bool GbnfParser::at_rule() {
    if (!at_name()) return false;
    const size_t begin = reader_.at();
    take_name();
    skip_space();
    const bool is_rule = reader_.rest().starts_with("::=");
    reader_.move_to(begin);
    if (is_rule && !reader_.begins_line(begin)) reader_.fail("a rule begins on a line of its own");
    return is_rule;
}

void GbnfParser::parse_rule() {
    if (!at_rule()) reader_.fail("expected a rule (name ::= ...), found " + reader_.found());
    const size_t begin = reader_.at();
    rule_ = take_name();
    const size_t rule = rules_.define(rule_, begin);
    skip_space();
    reader_.take("::=");
    Syntax syntax = parse_choice();
    if (reader_.peek() == ')') reader_.fail("this ')' closes nothing");
    rules_.set_syntax(rule, std::move(syntax));
}

/// What stands behind it is the end, a rule or a ')'.
Syntax GbnfParser::parse_choice() {
    const NotationReader::Level level(reader_);
    std::vector<Syntax> alternatives;
    do {
        reader_.count_nodes(1);
        alternatives.push_back(parse_sequence());
    } while (reader_.take("|"));
    if (alternatives.size() > 1) reader_.count_nodes(1);
    return choice_of(std::move(alternatives));
}

Syntax GbnfParser::parse_sequence() {
    std::vector<Syntax> parts;
    for (;;) {
        skip_space();
        const char c = reader_.peek();
        if (reader_.at_end() || c == '|' || c == ')' || at_rule()) break;
        parts.push_back(parse_repeats(parse_part()));
    }
    return sequence_of(std::move(parts));
}

Syntax GbnfParser::parse_repeats(Syntax part) {
    for (size_t n = 0;; n++) {
        skip_space();
        const char c = reader_.peek();
        if (c != '*' && c != '+' && c != '?' && c != '{') return part;
        reader_.count_nodes(1);
        if (n > kMaxSyntaxDepth) reader_.fail("too many repeats of repeats");
        if (c == '{') {
            part = parse_count(std::move(part));
            continue;
        }
        reader_.skip(1);
        part = repeat_of(std::move(part), c == '+' ? 1 : 0, c == '?' ? 1 : kUnbounded);
    }
}

Syntax GbnfParser::parse_count(Syntax part) {
    const size_t begin = reader_.at();
    reader_.skip(1);
    skip_space();
    uint32_t min = 0, max = kUnbounded;
    const bool has_min = reader_.peek() != ',';
    if (has_min) max = min = reader_.take_count();
    skip_space();
    if (reader_.take(",")) {
        skip_space();
        max = has_min && reader_.peek() == '}' ? kUnbounded : reader_.take_count();
        skip_space();
    }
    if (!reader_.take("}")) reader_.fail("expected a '}', found " + reader_.found());
    if (min > max)
        reader_.fail_at(begin,
                        fmt::format("at least {} and at most {} repeats cannot be", min, max));
    return repeat_of(std::move(part), min, max);
}

Syntax GbnfParser::parse_part() {
    const char c = reader_.peek();
    const size_t begin = reader_.at();
    if (c == '"' || c == '\'') return parse_literal();
    if (c == '[') return parse_class();
    if (c == '(') return parse_group();
    reader_.count_nodes(1);
    if (at_name()) {
        const std::string_view name = take_name();
        return rule_of(rules_.use(name, begin, rule_));
    }
    if (reader_.take(".")) return one_of(CodePointSet::all());
    if (c == '<' || reader_.rest().starts_with("!<"))
        reader_.fail(
            "tokens of the vocabulary (<name>, <[id]>, !<name>) are not supported in a "
            "grammar");
    reader_.fail("expected a rule's name, a text in quotes, a class or a group, found " +
                 reader_.found());
}

Syntax GbnfParser::parse_group() {
    const size_t begin = reader_.at();
    reader_.skip(1);
    if (reader_.peek() == '=')
        reader_.fail_at(begin, "a look-ahead (= ) is not supported in a grammar");
    Syntax inner = parse_choice();
    if (!reader_.take(")")) reader_.fail_at(begin, "this '(' is never closed");
    return inner;
}

Syntax GbnfParser::parse_literal() {
    const size_t begin = reader_.at();
    const char quote = reader_.peek();
    reader_.skip(1);
    std::vector<uint32_t> code_points;
    for (; reader_.peek() != quote; reader_.count_nodes(1)) {
        if (reader_.at_end()) reader_.fail_at(begin, "this text in quotes is never closed");
        const size_t at = reader_.at();
        const uint32_t c = reader_.peek() == '\\' ? parse_escape() : reader_.take_code_point();
        if (CodePointSet(c).empty())
            reader_.fail_at(at, fmt::format("U+{:04X} is half of a pair, which no text has", c));
        code_points.push_back(c);
    }
    reader_.skip(1);
    reader_.count_nodes(1);
    return literal_of(code_points);
}

/// A character behind a backslash that is neither a letter nor a digit stands for itself.
uint32_t GbnfParser::parse_escape() {
    const size_t begin = reader_.at();
    reader_.skip(1);
    const char c = reader_.peek();
    if (reader_.at_end()) reader_.fail_at(begin, "nothing is behind this backslash");
    reader_.skip(1);
    constexpr std::string_view kNames = "nrtabfve0", kNamed{"\n\r\t\a\b\f\v\x1b\0", 9};
    if (const size_t i = kNames.find(c); i != kNames.npos) return uint32_t(kNamed[i]);
    if (c == 'x') return reader_.take_hex_digits(2);
    if (c == 'u') return reader_.take_hex_digits(4);
    if (c == 'U') return reader_.take_hex_digits(8);
    if (is_letter(c) || is_digit(c) || uint8_t(c) <= ' ' || uint8_t(c) >= 0x7F)
        reader_.fail_at(begin, "no character is written with a backslash like this");
    return uint32_t(c);
}

/// \d, \w, \s and what is not in them, as in a regular expression.
bool GbnfParser::named_class(char name, std::vector<CodePointRange>& out) {
    const NamedSet* named = nullptr;
    if (name == 'd' || name == 'D') named = &decimal_digits();
    if (name == 'w' || name == 'W') named = &word_characters(false);
    if (name == 's' || name == 'S') named = &white_space();
    if (!named) return false;
    const auto& ranges = (name >= 'a' ? named->set : named->complement).ranges();
    out.insert(out.end(), ranges.begin(), ranges.end());
    return true;
}

Syntax GbnfParser::parse_class() {
    const size_t begin = reader_.at();
    reader_.skip(1);
    const bool negated = reader_.take("^");
    std::vector<CodePointRange> ranges;
    while (reader_.peek() != ']') {
        if (reader_.at_end()) reader_.fail_at(begin, "this '[' is never closed");
        const size_t at = reader_.at();
        if (reader_.peek() == '\\' && named_class(reader_.peek(1), ranges)) {
            reader_.skip(2);
            continue;
        }
        auto take = [&] {
            return reader_.peek() == '\\' ? parse_escape() : reader_.take_code_point();
        };
        CodePointRange range;
        range.first = range.last = take();
        // A '-' at the end is itself.
        if (reader_.peek() == '-' && reader_.peek(1) != ']' && reader_.peek(1) != '\0') {
            reader_.skip(1);
            range.last = take();
        }
        if (range.first > range.last)
            reader_.fail_at(
                at, fmt::format("the range {} ends before it begins", excerpt(reader_.since(at))));
        ranges.push_back(range);
    }
    reader_.skip(1);
    if (ranges.empty() && !negated) reader_.fail_at(begin, "no character is in this class");
    Syntax out = one_of(set_of(std::move(ranges)));
    if (negated) out.set = out.set.complement();
    reader_.count_nodes(node_count(out));
    return out;
}

}  // namespace

GrammarSyntax parse_gbnf(std::string_view text) {
    return GbnfParser(text).parse();
}

}  // namespace qwend::grammar
