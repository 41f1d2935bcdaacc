#include "model/grammar/lark.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <utility>

#include "model/grammar/lark_common.h"
#include "model/grammar/lark_terminals.h"
#include "model/grammar/notation_reader.h"
#include "model/grammar/regex_syntax.h"
#include "model/grammar/rule_table.h"
#include "model/grammar/syntax_parts.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

// No rule of the text can have these names.
constexpr std::string_view kIgnoredRule = "%ignore", kRootRule = "%start";

class LarkParser {
  public:
    explicit LarkParser(std::string_view text)
        : reader_(text), rules_(reader_), ignores_(text.find(kIgnoredRule) != text.npos) {}

    GrammarSyntax parse();

  private:
    void skip_space();
    static bool is_name_char(char c) { return is_letter(c) || is_digit(c) || c == '_'; }
    static bool is_terminal(std::string_view name);
    std::string_view take_name();
    bool take_head();
    bool at_item();
    void parse_definition();
    void parse_statement();
    void parse_import();
    void import_terminal(std::string_view name, std::string_view as, size_t at);
    Syntax parse_choice();
    Syntax parse_sequence();
    Syntax parse_repeats(Syntax part);
    Syntax parse_part();
    Syntax parse_group(char close);
    Syntax parse_name();
    Syntax parse_string_or_range();
    std::vector<uint32_t> take_string();
    void take_escape(std::vector<uint32_t>& out);
    Syntax ignoring_case(const std::vector<uint32_t>& code_points);
    Syntax parse_regexp();
    void refuse_assertions(const Syntax& syntax, size_t at);
    Syntax as_token(Syntax terminal);

    NotationReader reader_;
    RuleTable rules_;
    bool ignores_;  // perhaps: the word is in the text
    std::vector<Syntax> ignored_;
    std::vector<LarkTerminal> terminals_;
    size_t set_work_ = 0;  // of all regular expressions
    std::string rule_;     // being read
    bool in_terminal_ = false;
};

GrammarSyntax LarkParser::parse() {
    size_t ignored_rule = 0;
    if (ignores_) {
        ignored_rule = rules_.use(kIgnoredRule, 0, kRootRule);
        rules_.define(kIgnoredRule, 0);
    }
    for (skip_space(); !reader_.at_end(); skip_space()) {
        if (reader_.peek() == '%')
            parse_statement();
        else
            parse_definition();
        const char c = reader_.peek();
        if (c == ')' || c == ']') reader_.fail(fmt::format("this '{}' closes nothing", c));
    }
    GrammarSyntax grammar = rules_.finish("start");
    refuse_circles(grammar, terminals_, reader_);
    if (ignored_.empty()) return grammar;
    grammar.rules[ignored_rule].syntax = ignored_run(grammar, std::move(ignored_));
    std::vector<Syntax> whole;
    whole.push_back(rule_of(ignored_rule));
    whole.push_back(rule_of(grammar.root));
    grammar.root = grammar.rules.size();
    grammar.rules.push_back({std::string(kRootRule), sequence_of(std::move(whole))});
    return grammar;
}

void LarkParser::skip_space() {
    for (;;) {
        const char c = reader_.peek();
        const std::string_view rest = reader_.rest();
        if (c == '#' || rest.starts_with("//"))
            reader_.skip_line();
        else if (rest.starts_with("\\\n") || rest.starts_with("\\\r\n"))
            reader_.skip_line();
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f')
            reader_.skip(1);
        else
            return;
    }
}

bool LarkParser::is_terminal(std::string_view name) {
    const size_t first = name.find_first_not_of('_');
    return first != name.npos && name[first] >= 'A' && name[first] <= 'Z';
}

std::string_view LarkParser::take_name() {
    const size_t begin = reader_.at();
    if (is_digit(reader_.peek()) || !is_name_char(reader_.peek()))
        reader_.fail("expected a name, found " + reader_.found());
    while (is_name_char(reader_.peek())) reader_.skip(1);
    return reader_.since(begin);
}

/// What stands before the ':' of a definition: marks, a name and a priority.
bool LarkParser::take_head() {
    while (reader_.peek() == '?' || reader_.peek() == '!') reader_.skip(1);
    if (is_digit(reader_.peek()) || !is_name_char(reader_.peek())) return false;
    rule_ = take_name();
    skip_space();
    if (reader_.take(".")) {
        if (!reader_.take("-")) reader_.take("+");
        while (reader_.at_digit()) reader_.skip(1);
        skip_space();
    }
    return reader_.take(":");
}

/// Whether a definition or a statement begins here, which is where the one before it ends.
bool LarkParser::at_item() {
    const char c = reader_.peek();
    if (c != '%' && c != '?' && c != '!' && !is_name_char(c)) return false;
    const size_t begin = reader_.at();
    if (!reader_.begins_line(begin)) return false;
    if (c == '%') return true;
    const std::string rule = rule_;
    const bool is_item = take_head();
    rule_ = rule;
    reader_.move_to(begin);
    return is_item;
}

void LarkParser::parse_definition() {
    const size_t begin = reader_.at();
    if (!take_head()) {
        if (reader_.peek() == '{')
            reader_.fail_at(begin, "templates (name{...}) are not supported");
        reader_.fail_at(begin,
                        "expected a rule (name: ...), a terminal (NAME: ...) or a statement");
    }
    const size_t rule = rules_.define(rule_, begin);
    in_terminal_ = is_terminal(rule_);
    if (in_terminal_) terminals_.push_back({rule, begin});
    rules_.set_syntax(rule, parse_choice());
}

void LarkParser::parse_statement() {
    const size_t begin = reader_.at();
    reader_.skip(1);
    const std::string_view name = take_name();
    skip_space();
    if (name == "ignore") {
        rule_ = kIgnoredRule;
        in_terminal_ = true;
        ignored_.push_back(parse_choice());
    } else if (name == "import") {
        parse_import();
    } else {
        reader_.fail_at(begin, fmt::format("'%{}' is not supported", excerpt(name)));
    }
}

void LarkParser::parse_import() {
    const size_t begin = reader_.at();
    bool is_common = take_name() == "common";
    const size_t dot = reader_.at();
    if (reader_.take(".")) {
        const std::string_view name = take_name();
        is_common = is_common && reader_.peek() != '.';
        if (!is_common) reader_.fail_at(begin, "only terminals of lark's 'common' can be imported");
        skip_space();
        std::string_view as = name;
        if (reader_.take("->")) {
            skip_space();
            as = take_name();
        }
        return import_terminal(name, as, dot + 1);
    }
    skip_space();
    if (!is_common) reader_.fail_at(begin, "only terminals of lark's 'common' can be imported");
    if (!reader_.take("(")) reader_.fail("expected '.' or '(', found " + reader_.found());
    do {
        skip_space();
        const size_t at = reader_.at();
        const std::string_view name = take_name();
        import_terminal(name, name, at);
        skip_space();
    } while (reader_.take(","));
    if (!reader_.take(")")) reader_.fail("expected ',' or ')', found " + reader_.found());
}

void LarkParser::import_terminal(std::string_view name, std::string_view as, size_t at) {
    std::optional<Syntax> syntax = lark_common_terminal(name);
    if (!syntax)
        reader_.fail_at(at, fmt::format("lark's 'common' has no terminal '{}'", excerpt(name)));
    if (!is_terminal(as))
        reader_.fail_at(at, fmt::format("'{}' is no name for a terminal", excerpt(as)));
    reader_.count_nodes(node_count(*syntax));
    rules_.set_syntax(rules_.define(as, at), std::move(*syntax));
}

Syntax LarkParser::parse_choice() {
    const NotationReader::Level level(reader_);
    std::vector<Syntax> alternatives;
    do {
        reader_.count_nodes(1);
        alternatives.push_back(parse_sequence());
        if (reader_.take("->")) {
            skip_space();
            take_name();
            skip_space();
        }
    } while (reader_.take("|"));
    if (alternatives.size() > 1) reader_.count_nodes(1);
    return choice_of(std::move(alternatives));
}

Syntax LarkParser::parse_sequence() {
    std::vector<Syntax> parts;
    for (;;) {
        skip_space();
        const char c = reader_.peek();
        if (reader_.at_end() || c == '|' || c == ')' || c == ']' ||
            reader_.rest().starts_with("->") || at_item())
            break;
        parts.push_back(parse_repeats(parse_part()));
    }
    return sequence_of(std::move(parts));
}

Syntax LarkParser::parse_repeats(Syntax part) {
    skip_space();
    const char c = reader_.peek();
    if ((c != '*' && c != '+' && c != '?' && c != '~') || at_item()) return part;
    const size_t begin = reader_.at();
    reader_.skip(1);
    reader_.count_nodes(1);
    if (c != '~') return repeat_of(std::move(part), c == '+' ? 1 : 0, c == '?' ? 1 : kUnbounded);
    skip_space();
    const uint32_t min = reader_.take_count();
    uint32_t max = min;
    skip_space();
    if (reader_.take("..")) {
        skip_space();
        max = reader_.take_count();
    }
    if (min > max)
        reader_.fail_at(begin,
                        fmt::format("at least {} and at most {} repeats cannot be", min, max));
    return repeat_of(std::move(part), min, max);
}

Syntax LarkParser::parse_part() {
    const char c = reader_.peek();
    if (c == '(') return parse_group(')');
    if (c == '[') return parse_group(']');
    if (c == '"' || c == '\'') return as_token(parse_string_or_range());
    if (c == '/') return as_token(parse_regexp());
    if (is_name_char(c) && !is_digit(c)) return parse_name();
    if (c == '<') reader_.fail("tokens of the vocabulary (<...>) are not supported in a grammar");
    if (c == '%') {
        const size_t begin = reader_.at();
        reader_.skip(1);
        reader_.fail_at(begin, fmt::format("'%{}' is not supported here", excerpt(take_name())));
    }
    reader_.fail("expected a name, a text in quotes, a regular expression or a group, found " +
                 reader_.found());
}

Syntax LarkParser::parse_group(char close) {
    const size_t begin = reader_.at();
    reader_.skip(1);
    reader_.count_nodes(1);
    Syntax inner = parse_choice();
    if (reader_.peek() != close)
        reader_.fail_at(begin,
                        close == ')' ? "this '(' is never closed" : "this '[' is never closed");
    reader_.skip(1);
    return close == ')' ? inner : repeat_of(std::move(inner), 0, 1);
}

Syntax LarkParser::parse_name() {
    const size_t begin = reader_.at();
    const std::string_view name = take_name();
    if (reader_.peek() == '{') reader_.fail_at(begin, "templates (name{...}) are not supported");
    reader_.count_nodes(1);
    if (!is_terminal(name) && in_terminal_)
        reader_.fail_at(begin, fmt::format("terminal '{}' uses '{}', which is a rule and not a "
                                           "terminal",
                                           excerpt(rule_), excerpt(name)));
    Syntax use = rule_of(rules_.use(name, begin, rule_));
    return is_terminal(name) ? as_token(std::move(use)) : use;
}

/// In a rule, ignored text may follow a terminal.
Syntax LarkParser::as_token(Syntax terminal) {
    if (in_terminal_ || !ignores_) return terminal;
    reader_.count_nodes(2);
    std::vector<Syntax> parts;
    parts.push_back(std::move(terminal));
    parts.push_back(rule_of(rules_.use(kIgnoredRule, 0, rule_)));
    return sequence_of(std::move(parts));
}

Syntax LarkParser::parse_string_or_range() {
    const size_t begin = reader_.at();
    const std::vector<uint32_t> text = take_string();
    reader_.count_nodes(text.size() + 1);
    const bool ignores_case = reader_.take("i");
    const size_t end = reader_.at();
    skip_space();
    if (ignores_case || !reader_.take("..")) {
        reader_.move_to(end);
        return ignores_case ? ignoring_case(text) : literal_of(text);
    }
    skip_space();
    if (reader_.peek() != '"' && reader_.peek() != '\'')
        reader_.fail("expected the range's end in quotes, found " + reader_.found());
    const std::vector<uint32_t> last = take_string();
    if (text.size() != 1 || last.size() != 1)
        reader_.fail_at(begin, "a range is from one character to another");
    if (text[0] > last[0]) reader_.fail_at(begin, "this range ends before it begins");
    return one_of(CodePointSet(text[0], last[0]));
}

std::vector<uint32_t> LarkParser::take_string() {
    const size_t begin = reader_.at();
    const char quote = reader_.peek();
    reader_.skip(1);
    std::vector<uint32_t> out;
    while (reader_.peek() != quote) {
        if (reader_.at_end() || reader_.peek() == '\n')
            reader_.fail_at(begin, "this text in quotes is never closed");
        const size_t at = reader_.at();
        if (reader_.peek() == '\\')
            take_escape(out);
        else
            out.push_back(reader_.take_code_point());
        if (CodePointSet(out.back()).empty())
            reader_.fail_at(
                at, fmt::format("U+{:04X} is half of a pair, which no text has", out.back()));
        if (out.size() > kMaxSyntaxNodes) reader_.count_nodes(out.size());
    }
    reader_.skip(1);
    return out;
}

/// As in Lark, a backslash before what needs none stays.
void LarkParser::take_escape(std::vector<uint32_t>& out) {
    reader_.skip(1);
    const char c = reader_.peek();
    constexpr std::string_view kNames = "nrtf\\\"'", kNamed = "\n\r\t\f\\\"'";
    if (c == 'x' || c == 'u' || c == 'U') {
        reader_.skip(1);
        out.push_back(reader_.take_hex_digits(c == 'x' ? 2 : c == 'u' ? 4 : 8));
    } else if (const size_t i = kNames.find(c); i != kNames.npos) {
        reader_.skip(1);
        out.push_back(uint32_t(kNamed[i]));
    } else {
        out.push_back('\\');
    }
}

/// Nothing but a letter's small and capital form: Unicode would have a long s for an s, too.
Syntax LarkParser::ignoring_case(const std::vector<uint32_t>& code_points) {
    std::vector<Syntax> parts;
    for (uint32_t c : code_points) {
        CodePointSet set(c);
        set.add(CodePointSet(uint32_t(utf8proc_tolower(utf8proc_int32_t(c)))));
        set.add(CodePointSet(uint32_t(utf8proc_toupper(utf8proc_int32_t(c)))));
        parts.push_back(one_of(std::move(set)));
    }
    return sequence_of(std::move(parts));
}

Syntax LarkParser::parse_regexp() {
    const size_t begin = reader_.at();
    reader_.skip(1);
    while (reader_.peek() != '/') {
        if (reader_.peek() == '\\') reader_.skip(1);
        if (reader_.at_end() || reader_.peek() == '\n')
            reader_.fail_at(begin, "this regular expression is never closed");
        reader_.skip(1);
    }
    std::string pattern(reader_.since(begin + 1)), flags;
    reader_.skip(1);
    // 'u' is what Python does anyhow, and 'm' concerns anchors alone, which are refused.
    for (; is_letter(reader_.peek()); reader_.skip(1)) {
        const char flag = reader_.peek();
        if (flag != 'i' && flag != 's' && flag != 'u' && flag != 'm')
            reader_.fail(
                fmt::format("the flag '{}' of a regular expression is not supported", flag));
        if ((flag == 'i' || flag == 's') && flags.find(flag) == flags.npos) flags += flag;
    }
    if (!flags.empty()) pattern.insert(0, "(?" + flags + ")");
    Syntax out;
    try {
        out = parse_regex(pattern, set_work_);
    } catch (const GrammarError& error) {
        reader_.fail_at(begin, fmt::format("in this regular expression, {}", error.what()));
    }
    reader_.count_nodes(node_count(out));
    refuse_assertions(out, begin);
    return out;
}

void LarkParser::refuse_assertions(const Syntax& syntax, size_t at) {
    const bool is_anchor =
        syntax.kind == Syntax::Kind::text_begin || syntax.kind == Syntax::Kind::text_end;
    if (is_anchor || syntax.kind == Syntax::Kind::look_ahead)
        reader_.fail_at(at, fmt::format("{} is not supported in a terminal's regular expression",
                                        is_anchor ? "an anchor (^, $)" : "look-around (?= )"));
    for (const Syntax& part : syntax.parts) refuse_assertions(part, at);
}

}  // namespace

GrammarSyntax parse_lark(std::string_view text) {
    return LarkParser(text).parse();
}

}  // namespace qwend::grammar
