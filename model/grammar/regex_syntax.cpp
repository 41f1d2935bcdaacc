#include "model/grammar/regex_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "model/grammar/regex_escape.h"
#include "model/grammar/unicode_sets.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

/// Each group is at most three nodes above one another, a repeat, a choice and a sequence, and the
/// pattern itself four.
constexpr size_t kMaxGroups = (kMaxSyntaxDepth - 4) / 3;

/// How many ranges all sets may have together, and letters may be looked at for their other case:
/// \p{L} alone has 650 ranges, and it takes five bytes to write it.
constexpr size_t kMaxSetWork = 1'000'000;

/// A group or a choice that has more parts is not dissolved into what is around it, because that
/// moves them at each level.
constexpr size_t kMostMoved = 32;

struct Flags {
    bool ignore_case = false, dot_all = false;
};

struct Unsupported {
    std::string_view begins, name;
};

constexpr Unsupported kUnsupportedGroups[] = {
    {"(?<=", "look-behind"},      {"(?<!", "look-behind"},     {"(?>", "atomic group"},
    {"(?(", "conditional group"}, {"(?#", "comment"},          {"(?|", "branch reset group"},
    {"(?P=", "back-reference"},   {"(?P>", "recursive group"}, {"(?R", "recursive group"},
    {"(?&", "recursive group"},
};

/// Moves `part` behind the others, or what it consists of if it is of the same kind.
void append(Syntax& whole, Syntax&& part) {
    if (whole.kind == Syntax::Kind::sequence && part.kind == Syntax::Kind::empty) return;
    if (part.kind != whole.kind) {
        whole.parts.push_back(std::move(part));
    } else if (whole.parts.empty()) {
        whole.parts = std::move(part.parts);
    } else if (part.parts.size() <= kMostMoved) {
        std::move(part.parts.begin(), part.parts.end(), std::back_inserter(whole.parts));
    } else {
        whole.parts.push_back(std::move(part));
    }
}

class RegexParser {
  public:
    RegexParser(std::string_view pattern, size_t& set_work)
        : reader_{pattern}, set_work_(set_work) {}

    Syntax parse() {
        leading_flags();
        Syntax whole = choice();
        if (!reader_.done()) reader_.fail(reader_.at, "the ) closes no group");
        return whole;
    }

  private:
    Syntax node(Syntax::Kind kind) {
        if (++nodes_ > kMaxSyntaxNodes)
            reader_.fail(reader_.at,
                         fmt::format("the pattern has more than {} parts", kMaxSyntaxNodes));
        Syntax made;
        made.kind = kind;
        return made;
    }

    /// A sequence or a choice of one part is that part, and counts only if it is not.
    Syntax simplified(Syntax&& whole) {
        if (whole.parts.empty()) return node(Syntax::Kind::empty);
        if (whole.parts.size() == 1) {
            Syntax only = std::move(whole.parts[0]);
            return only;
        }
        (void)node(whole.kind);
        return std::move(whole);
    }

    Syntax set_node(CodePointSet set) {
        spend(set.ranges().size());
        Syntax made = node(Syntax::Kind::set);
        made.set = std::move(set);
        return made;
    }

    void spend(size_t work) {
        set_work_ += work;
        if (set_work_ > kMaxSetWork)
            reader_.fail(reader_.at, "the pattern's classes are too large together");
    }

    CodePointSet folded(CodePointSet set) {
        if (!flags_.ignore_case) return set;
        size_t steps = 0;
        set = with_case_variants(set, steps);
        spend(steps);
        return set;
    }

    Syntax choice();
    Syntax sequence();
    Syntax atom(bool& may_repeat);
    Syntax escape(bool& may_repeat);
    Syntax group(bool& may_repeat);
    Syntax group_content(size_t begin);
    Syntax quantified(Syntax&& part, bool may_repeat);
    Syntax character_class();
    void class_range(std::vector<CodePointRange>& ranges, std::vector<const CodePointSet*>& sets);
    RegexEscape class_atom();

    void leading_flags();
    Flags group_flags(size_t begin);
    void skip_group_name(size_t begin);

    struct Bounds {
        uint32_t min, max;
    };
    std::optional<Bounds> quantifier();
    std::optional<Bounds> braces();
    uint64_t number();

    PatternReader reader_;
    Flags flags_;
    size_t nodes_ = 0, groups_ = 0;
    size_t& set_work_;
};

Syntax RegexParser::choice() {
    Syntax whole;
    whole.kind = Syntax::Kind::choice;
    do append(whole, sequence());
    while (reader_.take("|"));
    return simplified(std::move(whole));
}

Syntax RegexParser::sequence() {
    Syntax whole;
    whole.kind = Syntax::Kind::sequence;
    while (!reader_.done() && reader_.peek() != '|' && reader_.peek() != ')') {
        bool may_repeat = true;
        Syntax part = atom(may_repeat);
        append(whole, quantified(std::move(part), may_repeat));
    }
    return simplified(std::move(whole));
}

Syntax RegexParser::atom(bool& may_repeat) {
    const size_t begin = reader_.at;
    if (quantifier())
        reader_.fail(begin, fmt::format("{} has nothing to repeat", reader_.since(begin)));
    switch (reader_.peek()) {
        case '(':
            return group(may_repeat);
        case '[':
            return character_class();
        case '\\':
            return escape(may_repeat);
        case '^':
        case '$':
            may_repeat = false;
            return node(reader_.text[reader_.at++] == '^' ? Syntax::Kind::text_begin
                                                          : Syntax::Kind::text_end);
        case '.':
            reader_.at++;
            return set_node(flags_.dot_all ? CodePointSet::all() : line_terminators().complement);
        default:
            return set_node(folded(CodePointSet(reader_.take_code_point())));
    }
}

Syntax RegexParser::escape(bool& may_repeat) {
    const RegexEscape escape = read_escape(reader_, false, flags_.ignore_case);
    switch (escape.kind) {
        case RegexEscape::Kind::code_point:
            return set_node(folded(CodePointSet(escape.code_point)));
        case RegexEscape::Kind::set:
            return set_node(folded(*escape.set));
        case RegexEscape::Kind::text_begin:
        case RegexEscape::Kind::text_end:
            break;
    }
    may_repeat = false;
    return node(escape.kind == RegexEscape::Kind::text_begin ? Syntax::Kind::text_begin
                                                             : Syntax::Kind::text_end);
}

Syntax RegexParser::group(bool& may_repeat) {
    const size_t begin = reader_.at;
    for (const Unsupported& unsupported : kUnsupportedGroups)
        if (reader_.looking_at(unsupported.begins))
            reader_.fail(begin, fmt::format("the {} {} is not supported", unsupported.name,
                                            unsupported.begins));
    const Flags outside = flags_;
    Syntax content;
    if (reader_.take("(?=") || reader_.take("(?!")) {
        may_repeat = false;
        content = node(Syntax::Kind::look_ahead);
        content.negated = reader_.text[reader_.at - 1] == '!';
        content.parts.push_back(group_content(begin));
    } else {
        if (reader_.take("(?<") || reader_.take("(?P<"))
            skip_group_name(begin);
        else if (reader_.take("(?"))
            flags_ = group_flags(begin);
        else
            reader_.at++;
        content = group_content(begin);
    }
    flags_ = outside;
    return content;
}

/// Up to the ) of the group that began there.
Syntax RegexParser::group_content(size_t begin) {
    if (++groups_ > kMaxGroups)
        reader_.fail(begin, fmt::format("groups are nested more than {} deep", kMaxGroups));
    Syntax content = choice();
    if (!reader_.take(")")) reader_.fail(begin, "the ( is not closed");
    groups_--;
    return content;
}

/// Behind (?, up to the : included.
Flags RegexParser::group_flags(size_t begin) {
    Flags flags = flags_;
    for (bool on = true; !reader_.take(":"); reader_.at++) {
        switch (reader_.peek()) {
            case 'i':
                flags.ignore_case = on;
                break;
            case 's':
                flags.dot_all = on;
                break;
            case '-':
                on = false;
                break;
            case ')':
                if (reader_.at == begin + 2)
                    reader_.fail(begin, "what follows (? is no kind of group");
                reader_.fail(begin, "flags may only stand where the pattern begins");
            case 'm':
            case 'u':
            case 'x':
            case 'a':
            case 'L':
            case 'U':
                reader_.fail(begin, fmt::format("the flag {} is not supported", reader_.peek()));
            default:
                reader_.fail(begin, "what follows (? is no kind of group");
        }
    }
    return flags;
}

/// (?i), (?s) or (?is), however many, where the pattern begins.
void RegexParser::leading_flags() {
    while (reader_.looking_at("(?")) {
        size_t letters = 2;
        while (reader_.peek(letters) == 'i' || reader_.peek(letters) == 's') letters++;
        if (letters == 2 || reader_.peek(letters) != ')') return;
        for (size_t i = 2; i < letters; i++)
            (reader_.peek(i) == 'i' ? flags_.ignore_case : flags_.dot_all) = true;
        reader_.at += letters + 1;
    }
}

/// A name says nothing of the language, so that it may occur twice.
void RegexParser::skip_group_name(size_t begin) {
    const size_t name = reader_.at;
    for (; !reader_.done() && reader_.peek() != '>'; reader_.at++) {
        const char c = reader_.peek();
        const bool is_digit = c >= '0' && c <= '9';
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                               c == '$' || uint8_t(c) >= 0x80;
        if (!is_letter && !(is_digit && reader_.at > name)) break;
    }
    if (reader_.at == name || !reader_.take(">"))
        reader_.fail(begin, "the group's name is not one, or is not followed by >");
}

Syntax RegexParser::quantified(Syntax&& part, bool may_repeat) {
    const size_t begin = reader_.at;
    const auto bounds = quantifier();
    if (!bounds) return std::move(part);
    const std::string written = reader_.since(begin);
    if (!may_repeat) reader_.fail(begin, fmt::format("{} repeats an assertion", written));
    if (bounds->min > bounds->max)
        reader_.fail(begin, fmt::format("{} has its bounds in the wrong order", written));
    if (reader_.peek() == '+')
        reader_.fail(begin, fmt::format("the possessive quantifier {}+ is not supported", written));
    reader_.take("?");
    if (bounds->max == 0 || part.kind == Syntax::Kind::empty) return {};
    if (bounds->min == 1 && bounds->max == 1) return std::move(part);
    Syntax repeat = node(Syntax::Kind::repeat);
    repeat.min = bounds->min;
    repeat.max = bounds->max;
    repeat.parts.push_back(std::move(part));
    return repeat;
}

std::optional<RegexParser::Bounds> RegexParser::quantifier() {
    if (reader_.take("*")) return Bounds{0, kUnbounded};
    if (reader_.take("+")) return Bounds{1, kUnbounded};
    if (reader_.take("?")) return Bounds{0, 1};
    return braces();
}

/// {m}, {m,} or {m,n}; any other { is a character, but {,n}, which is three of ECMA-262's
/// characters and a quantifier of Python's.
std::optional<RegexParser::Bounds> RegexParser::braces() {
    const size_t begin = reader_.at;
    if (!reader_.take("{")) return std::nullopt;
    const size_t digits = reader_.at;
    const uint64_t min = number();
    const bool has_min = reader_.at > digits, has_comma = reader_.take(",");
    const size_t more_digits = reader_.at;
    const uint64_t max = has_comma ? number() : min;
    const bool has_max = has_comma && reader_.at > more_digits, closed = reader_.take("}");
    if (closed && has_max && !has_min)
        reader_.fail(begin, fmt::format("{0} is ambiguous: write {{0{1} or \\{0}",
                                        reader_.since(begin), reader_.since(begin + 1)));
    if (!has_min || !closed) {
        reader_.at = begin;
        return std::nullopt;
    }
    const bool unbounded = has_comma && !has_max;
    if (std::max(min, unbounded ? 0 : max) > kMaxRegexRepeat)
        reader_.fail(
            begin, fmt::format("{} is more than {} times", reader_.since(begin), kMaxRegexRepeat));
    return Bounds{uint32_t(min), unbounded ? kUnbounded : uint32_t(max)};
}

/// Decimal digits, if any; what is too large stays so, however long it is.
uint64_t RegexParser::number() {
    uint64_t value = 0;
    for (; reader_.peek() >= '0' && reader_.peek() <= '9'; reader_.at++)
        value = std::min<uint64_t>(value * 10 + uint64_t(reader_.peek() - '0'),
                                   uint64_t(kMaxRegexRepeat) + 1);
    return value;
}

Syntax RegexParser::character_class() {
    const size_t begin = reader_.at++;
    const bool negated = reader_.take("^");
    std::vector<CodePointRange> ranges;
    std::vector<const CodePointSet*> sets;
    while (!reader_.take("]")) {
        if (reader_.done()) reader_.fail(begin, "the [ is not closed");
        class_range(ranges, sets);
    }
    for (const CodePointSet* set : sets) {
        spend(set->ranges().size());
        ranges.insert(ranges.end(), set->ranges().begin(), set->ranges().end());
    }
    CodePointSet set = folded(set_of(std::move(ranges)));
    return set_node(negated ? set.complement() : std::move(set));
}

/// A character, a range of them, or a set; each of the sets is kept but once. Where one of a
/// range's ends is a set, the - is a character (Annex B).
void RegexParser::class_range(std::vector<CodePointRange>& ranges,
                              std::vector<const CodePointSet*>& sets) {
    auto add = [&](const RegexEscape& atom) {
        if (atom.kind != RegexEscape::Kind::set)
            ranges.push_back({atom.code_point, atom.code_point});
        else if (std::find(sets.begin(), sets.end(), atom.set) == sets.end())
            sets.push_back(atom.set);
    };
    const size_t begin = reader_.at;
    const RegexEscape first = class_atom();
    if (reader_.peek() != '-' || reader_.peek(1) == ']' || reader_.at + 1 >= reader_.text.size())
        return add(first);
    reader_.at++;
    const RegexEscape last = class_atom();
    if (first.kind == RegexEscape::Kind::set || last.kind == RegexEscape::Kind::set) {
        add(first);
        add(last);
        ranges.push_back({'-', '-'});
        return;
    }
    if (first.code_point > last.code_point)
        reader_.fail(begin,
                     fmt::format("the range {} is in the wrong order", reader_.since(begin)));
    ranges.push_back({first.code_point, last.code_point});
}

/// [:alpha:] in a class would be some characters of its own in ECMA-262, which nobody means.
RegexEscape RegexParser::class_atom() {
    if (reader_.looking_at("[:")) {
        size_t end = 2;
        while (end < 10 && reader_.peek(end) >= 'a' && reader_.peek(end) <= 'z') end++;
        if (end > 2 &&
            reader_.text.substr(std::min(reader_.at + end, reader_.text.size())).starts_with(":]"))
            reader_.fail(reader_.at, fmt::format("the POSIX class {} is not supported",
                                                 reader_.text.substr(reader_.at, end + 2)));
    }
    if (reader_.peek() == '\\') return read_escape(reader_, true, flags_.ignore_case);
    return {RegexEscape::Kind::code_point, reader_.take_code_point(), nullptr};
}

void check_utf8(std::string_view pattern) {
    PatternReader reader{pattern};
    while (!reader.done()) {
        const DecodedChar decoded = utf8_at(pattern, reader.at);
        if (!decoded.valid) reader.fail(reader.at, "the pattern is not UTF-8");
        reader.at += size_t(decoded.length);
    }
}

}  // namespace

Syntax parse_regex(std::string_view pattern) {
    size_t set_work = 0;
    return parse_regex(pattern, set_work);
}

Syntax parse_regex(std::string_view pattern, size_t& set_work) {
    check_utf8(pattern);
    return RegexParser(pattern, set_work).parse();
}

}  // namespace qwend::grammar
