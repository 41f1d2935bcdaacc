#include "model/grammar/lark_terminals.h"

#include <fmt/format.h>

#include <utility>

#include "model/grammar/lark.h"
#include "model/grammar/syntax_parts.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

void add_uses(const Syntax& syntax, std::vector<size_t>& out) {
    if (syntax.kind == Syntax::Kind::rule) out.push_back(syntax.rule);
    for (const Syntax& part : syntax.parts) add_uses(part, out);
}

/// The pieces that a run of ignored text is made of. An endless repeat's are what it repeats, so
/// that no run is endless and a run of them can be divided in one way only; `add` says whether
/// there was one.
struct Pieces {
    bool add(const Syntax& syntax, size_t level = 0) {
        if (syntax.kind == Syntax::Kind::rule && level < kMaxSyntaxDepth) {
            // What a terminal gave before is there already.
            if (seen[syntax.rule]) return false;
            seen[syntax.rule] = true;
            return add(grammar.rules[syntax.rule].syntax, level + 1);
        }
        if (syntax.kind == Syntax::Kind::choice) {
            bool endless = false;
            for (const Syntax& part : syntax.parts) endless |= add(part, level + 1);
            return endless;
        }
        if (syntax.kind == Syntax::Kind::repeat && syntax.max == kUnbounded && syntax.min <= 1) {
            add(syntax.parts[0], level + 1);
            return true;
        }
        out.push_back(syntax);
        return false;
    }

    const GrammarSyntax& grammar;
    std::vector<bool> seen;
    std::vector<Syntax> out;
};

}  // namespace

void refuse_circles(const GrammarSyntax& grammar, const std::vector<LarkTerminal>& terminals,
                    const NotationReader& reader) {
    // A terminal is settled when all that it uses are; imported ones use none.
    const size_t n = grammar.rules.size();
    std::vector<std::vector<size_t>> uses(n), users(n);
    std::vector<size_t> open(n, 0), places(n, 0), settled;
    for (const LarkTerminal& terminal : terminals) {
        places[terminal.rule] = terminal.at;
        add_uses(grammar.rules[terminal.rule].syntax, uses[terminal.rule]);
        open[terminal.rule] = uses[terminal.rule].size();
        for (size_t used : uses[terminal.rule]) users[used].push_back(terminal.rule);
    }
    for (size_t rule = 0; rule < n; rule++)
        if (open[rule] == 0) settled.push_back(rule);
    while (!settled.empty()) {
        const size_t used = settled.back();
        settled.pop_back();
        for (size_t user : users[used])
            if (--open[user] == 0) settled.push_back(user);
    }
    std::vector<bool> seen(n, false);
    for (const LarkTerminal& terminal : terminals) {
        size_t rule = terminal.rule;
        if (open[rule] == 0) continue;
        // Each that is not settled uses one that is not, so the way ends up in a circle.
        while (!seen[rule]) {
            seen[rule] = true;
            size_t i = 0;
            while (open[uses[rule][i]] == 0) i++;
            rule = uses[rule][i];
        }
        reader.fail_at(places[rule], fmt::format("terminal '{}' refers to itself, which only a "
                                                 "rule may",
                                                 excerpt(grammar.rules[rule].name)));
    }
}

Syntax ignored_run(const GrammarSyntax& grammar, std::vector<Syntax> ignored) {
    Pieces pieces{grammar, std::vector<bool>(grammar.rules.size()), {}};
    const bool endless = pieces.add(choice_of(std::move(ignored)));
    Syntax run = repeat_of(choice_of(std::move(pieces.out)), 0,
                           endless ? kMaxIgnored * kMaxIgnored : kMaxIgnored);
    if (depth(run) > kMaxSyntaxDepth)
        throw GrammarError(
            fmt::format("what is ignored is nested more than {} deep", kMaxSyntaxDepth));
    return run;
}

}  // namespace qwend::grammar
