#include "model/grammar/left_recursion.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "model/grammar/rule_facts.h"
#include "model/grammar/syntax_parts.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

void add_uses(const Syntax& syntax, std::vector<size_t>& out) {
    if (syntax.kind == Syntax::Kind::rule) out.push_back(syntax.rule);
    for (const Syntax& part : syntax.parts) add_uses(part, out);
}

void renumber(Syntax& syntax, const std::vector<size_t>& numbers) {
    if (syntax.kind == Syntax::Kind::rule) syntax.rule = numbers[syntax.rule];
    for (Syntax& part : syntax.parts) renumber(part, numbers);
}

/// The syntax without what names a rule that has no text.
Syntax without_unproductive(Syntax syntax, const std::vector<bool>& productive) {
    for (Syntax& part : syntax.parts) part = without_unproductive(std::move(part), productive);
    switch (syntax.kind) {
        case Syntax::Kind::rule:
            return productive[syntax.rule] ? std::move(syntax) : nothing();
        case Syntax::Kind::sequence:
            return sequence_of(std::move(syntax.parts));
        case Syntax::Kind::choice:
            return choice_of(std::move(syntax.parts));
        case Syntax::Kind::repeat:
            return repeat_of(std::move(syntax.parts[0]), syntax.min, syntax.max);
        default:
            return syntax;
    }
}

/// The rules that the root comes to, in the order in which it does.
GrammarSyntax reachable(GrammarSyntax grammar) {
    std::vector<size_t> numbers(grammar.rules.size(), SIZE_MAX), order{grammar.root}, uses;
    numbers[grammar.root] = 0;
    for (size_t i = 0; i < order.size(); i++) {
        uses.clear();
        add_uses(grammar.rules[order[i]].syntax, uses);
        for (size_t rule : uses) {
            if (numbers[rule] != SIZE_MAX) continue;
            numbers[rule] = order.size();
            order.push_back(rule);
        }
    }
    GrammarSyntax out;
    for (size_t rule : order) {
        out.rules.push_back(std::move(grammar.rules[rule]));
        renumber(out.rules.back().syntax, numbers);
    }
    return out;
}

GrammarSyntax productive_part(GrammarSyntax grammar) {
    const std::vector<bool> productive = productive_rules(grammar);
    if (!productive[grammar.root])
        throw GrammarError(fmt::format("rule '{}' has no text that ends, whatever is chosen",
                                       excerpt(grammar.rules[grammar.root].name)));
    for (size_t i = 0; i < grammar.rules.size(); i++)
        if (productive[i])
            grammar.rules[i].syntax =
                without_unproductive(std::move(grammar.rules[i].syntax), productive);
    return reachable(std::move(grammar));
}

/// Builds the new grammar from the root on, rule by rule as they are named.
class Rewriter {
  public:
    explicit Rewriter(const GrammarSyntax& grammar)
        : grammar_(grammar),
          nullable_(nullable_rules(grammar)),
          circle_(left_circles(grammar, nullable_)) {
        for (size_t rule = 0; rule < circle_.size(); rule++) {
            forms_.push_back({Form::Kind::whole, rule, rule});
            if (circle_[rule] == kNoCircle) continue;
            if (circle_[rule] >= members_.size()) members_.resize(circle_[rule] + 1);
            members_[circle_[rule]].push_back(rule);
        }
        steps_.resize(members_.size());
    }

    bool has_circles() const { return !members_.empty(); }
    GrammarSyntax rewrite();

  private:
    /// What a rule of the new grammar is, of which the first are those of the old.
    struct Form {
        enum class Kind : uint8_t {
            whole,      // the texts of `rule`
            non_empty,  // but for the empty one
            after,      // what may follow a `corner` that begins a `rule`, up to its end
        };
        Kind kind = Kind::whole;
        size_t rule = 0, corner = 0;
    };
    /// The texts but the empty one: those that begin with a rule of the circle that has some text,
    /// by that rule, each with what follows; and the rest.
    struct Corners {
        std::map<size_t, std::vector<Syntax>> behind;
        std::vector<Syntax> rest;
    };
    /// A rule of the circle may be the beginning of another.
    struct Step {
        size_t to = 0;
        Syntax behind;
        bool nullable = false;
    };
    struct Circle {
        std::map<size_t, std::vector<Step>> from;
        std::map<size_t, Syntax> rest;
    };

    void spend(size_t nodes);
    Syntax copy(const Syntax& syntax);
    /// Behind part `i`.
    std::vector<Syntax> copy_behind(const Syntax& sequence, size_t i);
    Syntax named(Form::Kind kind, size_t rule, size_t corner);
    Syntax non_empty_rule(size_t rule);
    bool nullable(const Syntax& syntax) const { return is_nullable(syntax, nullable_); }

    Syntax non_empty(const Syntax& syntax);
    Corners corners(const Syntax& syntax, size_t circle);
    Corners sequence_corners(const Syntax& syntax, size_t circle);
    Corners repeat_corners(const Syntax& syntax, size_t circle);
    void put_behind(Corners& corners, const std::vector<Syntax>& tail, Corners& out);
    const Circle& circle_of(size_t rule);

    Syntax build(const Form& form);
    Syntax build_non_empty(size_t rule);
    Syntax build_after(size_t rule, size_t corner);
    std::string name_of(const Form& form) const;

    const GrammarSyntax& grammar_;
    std::vector<bool> nullable_;
    std::vector<size_t> circle_;
    std::vector<std::vector<size_t>> members_;  // of each circle
    std::vector<std::optional<Circle>> steps_;  // of each circle, once it is needed
    std::vector<Form> forms_;
    std::map<std::tuple<Form::Kind, size_t, size_t>, size_t> numbers_;
    size_t nodes_ = 0, building_ = 0;
};

GrammarSyntax Rewriter::rewrite() {
    GrammarSyntax out;
    out.root = grammar_.root;
    std::vector<size_t> open{grammar_.root}, uses;
    std::vector<bool> seen{};
    while (!open.empty()) {
        const size_t number = open.back();
        open.pop_back();
        seen.resize(forms_.size());
        if (seen[number]) continue;
        seen[number] = true;
        const Form form = forms_[number];
        building_ = form.rule;
        Syntax syntax = build(form);
        add_uses(syntax, open);
        out.rules.resize(forms_.size());
        out.rules[number] = {name_of(form), std::move(syntax)};
    }
    return out;
}

void Rewriter::spend(size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kMaxRewrittenNodes)
        throw GrammarError(fmt::format(
            "rule '{}' begins with itself, and without that the grammar has more than {} parts",
            excerpt(grammar_.rules[building_].name), kMaxRewrittenNodes));
}

Syntax Rewriter::copy(const Syntax& syntax) {
    spend(node_count(syntax));
    return syntax;
}

std::vector<Syntax> Rewriter::copy_behind(const Syntax& sequence, size_t i) {
    std::vector<Syntax> out;
    for (i++; i < sequence.parts.size(); i++) out.push_back(copy(sequence.parts[i]));
    return out;
}

Syntax Rewriter::named(Form::Kind kind, size_t rule, size_t corner) {
    spend(1);
    const auto [entry, is_new] = numbers_.try_emplace({kind, rule, corner}, forms_.size());
    if (is_new) forms_.push_back({kind, rule, corner});
    return rule_of(entry->second);
}

Syntax Rewriter::non_empty_rule(size_t rule) {
    if (nullable_[rule]) return named(Form::Kind::non_empty, rule, rule);
    spend(1);
    return rule_of(rule);
}

/// The texts of the syntax but for the empty one.
Syntax Rewriter::non_empty(const Syntax& syntax) {
    std::vector<Syntax> ways;
    switch (syntax.kind) {
        case Syntax::Kind::empty:
            return nothing();
        case Syntax::Kind::set:
            return copy(syntax);
        case Syntax::Kind::rule:
            return non_empty_rule(syntax.rule);
        case Syntax::Kind::choice:
            for (const Syntax& part : syntax.parts) ways.push_back(non_empty(part));
            return choice_of(std::move(ways));
        case Syntax::Kind::sequence:
            if (!nullable(syntax)) return copy(syntax);
            // All before part i are empty, and it is not.
            for (size_t i = 0; i < syntax.parts.size(); i++) {
                std::vector<Syntax> way = copy_behind(syntax, i);
                way.insert(way.begin(), non_empty(syntax.parts[i]));
                ways.push_back(sequence_of(std::move(way)));
            }
            return choice_of(std::move(ways));
        case Syntax::Kind::repeat:
            if (nullable(syntax.parts[0]))
                return repeat_of(non_empty(syntax.parts[0]), 1, syntax.max);
            return repeat_of(copy(syntax.parts[0]), std::max(syntax.min, 1u), syntax.max);
        default:
            throw GrammarError(
                fmt::format("rule '{}' has an anchor or look-around, which is not supported beside "
                            "rules that begin with themselves",
                            excerpt(grammar_.rules[building_].name)));
    }
}

Rewriter::Corners Rewriter::corners(const Syntax& syntax, size_t circle) {
    Corners out;
    switch (syntax.kind) {
        case Syntax::Kind::rule:
            if (circle_[syntax.rule] != circle)
                out.rest.push_back(non_empty_rule(syntax.rule));
            else
                out.behind[syntax.rule].emplace_back();
            return out;
        case Syntax::Kind::choice:
            for (const Syntax& part : syntax.parts) {
                Corners more = corners(part, circle);
                put_behind(more, {}, out);
            }
            return out;
        case Syntax::Kind::sequence:
            return sequence_corners(syntax, circle);
        case Syntax::Kind::repeat:
            return repeat_corners(syntax, circle);
        default:
            out.rest.push_back(non_empty(syntax));
            return out;
    }
}

Rewriter::Corners Rewriter::sequence_corners(const Syntax& syntax, size_t circle) {
    Corners out;
    for (size_t i = 0; i < syntax.parts.size(); i++) {
        Corners first = corners(syntax.parts[i], circle);
        put_behind(first, copy_behind(syntax, i), out);
        if (!nullable(syntax.parts[i])) break;
    }
    return out;
}

/// The first repeat that is not empty, and then one less.
Rewriter::Corners Rewriter::repeat_corners(const Syntax& syntax, size_t circle) {
    Corners out, first = corners(syntax.parts[0], circle);
    const uint32_t max = syntax.max == kUnbounded ? kUnbounded : syntax.max - 1;
    std::vector<Syntax> tail;
    tail.push_back(repeat_of(copy(syntax.parts[0]), std::max(syntax.min, 1u) - 1, max));
    put_behind(first, tail, out);
    return out;
}

/// Adds `corners`, each followed by `tail`, to `out`.
void Rewriter::put_behind(Corners& corners, const std::vector<Syntax>& tail, Corners& out) {
    auto add = [&](std::vector<Syntax>& ways, std::vector<Syntax>& to) {
        if (tail.empty()) {
            for (Syntax& way : ways) to.push_back(std::move(way));
        } else if (!ways.empty()) {
            std::vector<Syntax> parts;
            parts.push_back(choice_of(std::move(ways)));
            for (const Syntax& part : tail) parts.push_back(copy(part));
            to.push_back(sequence_of(std::move(parts)));
        }
    };
    add(corners.rest, out.rest);
    for (auto& [rule, ways] : corners.behind) add(ways, out.behind[rule]);
}

const Rewriter::Circle& Rewriter::circle_of(size_t rule) {
    const size_t circle = circle_[rule];
    if (steps_[circle]) return *steps_[circle];
    Circle& out = steps_[circle].emplace();
    for (size_t member : members_[circle]) {
        Corners found = corners(grammar_.rules[member].syntax, circle);
        out.rest[member] = choice_of(std::move(found.rest));
        for (auto& [from, ways] : found.behind) {
            Step step{member, choice_of(std::move(ways)), false};
            step.nullable = nullable(step.behind);
            out.from[from].push_back(std::move(step));
        }
    }
    return out;
}

Syntax Rewriter::build(const Form& form) {
    const Syntax& syntax = grammar_.rules[form.rule].syntax;
    const bool is_circular = circle_[form.rule] != kNoCircle;
    if (form.kind == Form::Kind::after) return build_after(form.rule, form.corner);
    if (form.kind == Form::Kind::whole) {
        if (!is_circular) return copy(syntax);
        if (nullable_[form.rule]) return repeat_of(non_empty_rule(form.rule), 0, 1);
    }
    return is_circular ? build_non_empty(form.rule) : non_empty(syntax);
}

/// For a rule of a circle: it begins with the rest of one of them, from where it goes on.
Syntax Rewriter::build_non_empty(size_t rule) {
    const Circle& circle = circle_of(rule);
    std::vector<Syntax> ways;
    for (size_t member : members_[circle_[rule]]) {
        const Syntax& rest = circle.rest.at(member);
        if (is_nothing(rest)) continue;
        std::vector<Syntax> way;
        way.push_back(copy(rest));
        if (members_[circle_[rule]].size() > 1) {
            way.push_back(named(Form::Kind::after, rule, member));
        } else {
            const Step& step = circle.from.at(rule).front();
            way.push_back(repeat_of(non_empty(step.behind), 0, kUnbounded));
        }
        ways.push_back(sequence_of(std::move(way)));
    }
    return choice_of(std::move(ways));
}

Syntax Rewriter::build_after(size_t rule, size_t corner) {
    const Circle& circle = circle_of(rule);
    // What is complete along with the corner, because nothing need follow.
    std::set<size_t> complete;
    for (std::vector<size_t> open{corner}; !open.empty();) {
        const size_t from = open.back();
        open.pop_back();
        if (!complete.insert(from).second) continue;
        for (const Step& step : circle.from.at(from)) {
            spend(1);
            if (step.nullable) open.push_back(step.to);
        }
    }
    std::map<size_t, std::vector<Syntax>> behind;
    for (size_t from : complete)
        for (const Step& step : circle.from.at(from))
            behind[step.to].push_back(non_empty(step.behind));
    std::vector<Syntax> ways;
    if (complete.contains(rule)) ways.emplace_back();
    for (auto& [to, texts] : behind) {
        std::vector<Syntax> way;
        way.push_back(choice_of(std::move(texts)));
        way.push_back(named(Form::Kind::after, rule, to));
        ways.push_back(sequence_of(std::move(way)));
    }
    return choice_of(std::move(ways));
}

std::string Rewriter::name_of(const Form& form) const {
    const std::string& name = grammar_.rules[form.rule].name;
    if (form.kind == Form::Kind::whole) return name;
    if (form.kind == Form::Kind::non_empty) return name + ", not empty";
    return name + " after " + grammar_.rules[form.corner].name;
}

}  // namespace

GrammarSyntax without_left_recursion(GrammarSyntax grammar) {
    grammar = productive_part(std::move(grammar));
    Rewriter rewriter(grammar);
    if (!rewriter.has_circles()) return grammar;
    return productive_part(rewriter.rewrite());
}

}  // namespace qwend::grammar
