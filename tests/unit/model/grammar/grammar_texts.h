#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/syntax.h"

/// What the tests of the grammars' notations share: a tree as a text in which rules have names.
namespace qwend::grammar {

inline std::string show_code_point(uint32_t c) {
    return c > ' ' && c < 0x7F ? std::string(1, char(c)) : fmt::format("U+{:02X}", c);
}

inline std::string show_set(const CodePointSet& set) {
    if (set == CodePointSet::all()) return ".";
    std::string out;
    for (const CodePointRange& range : set.ranges()) {
        out += out.empty() ? "" : ",";
        out += show_code_point(range.first);
        if (range.last != range.first) out += "-" + show_code_point(range.last);
    }
    const bool is_one = set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
    return is_one ? out : "[" + out + "]";
}

/// "x" is written x, a sequence a b, a choice (a | b), a repeat a{0,*}, the empty text ''.
inline std::string show(const Syntax& syntax, const std::vector<GrammarSyntax::Rule>& rules) {
    auto joined = [&](const char* between) {
        std::string out;
        for (const Syntax& part : syntax.parts)
            out += (out.empty() ? "" : between) + show(part, rules);
        return out;
    };
    switch (syntax.kind) {
        case Syntax::Kind::empty:
            return "''";
        case Syntax::Kind::set:
            return show_set(syntax.set);
        case Syntax::Kind::sequence:
            return joined(" ");
        case Syntax::Kind::choice:
            return "(" + joined(" | ") + ")";
        case Syntax::Kind::rule:
            return "<" + rules[syntax.rule].name + ">";
        case Syntax::Kind::repeat: {
            const bool grouped = syntax.parts[0].kind == Syntax::Kind::sequence;
            const std::string max = syntax.max == kUnbounded ? "*" : std::to_string(syntax.max);
            return fmt::format("{}{}{}{{{},{}}}", grouped ? "(" : "", joined(""),
                               grouped ? ")" : "", syntax.min, max);
        }
        default:
            return "?";
    }
}

/// The rules, a line each, the root's name with a '*'.
inline std::string show(const GrammarSyntax& grammar) {
    std::string out;
    for (size_t i = 0; i < grammar.rules.size(); i++)
        out += fmt::format("{}{} = {}\n", grammar.rules[i].name, i == grammar.root ? "*" : "",
                           show(grammar.rules[i].syntax, grammar.rules));
    return out;
}

/// The message of the error that `parse` throws, or what it parsed.
template <typename Parse>
std::string outcome(Parse parse, std::string_view text) {
    try {
        return show(parse(text));
    } catch (const GrammarError& error) {
        return error.what();
    }
}

}  // namespace qwend::grammar
