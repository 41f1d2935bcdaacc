#include "model/grammar/compile.h"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "model/grammar/regex_syntax.h"
#include "model/grammar/regular.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

namespace {

using Kind = Syntax::Kind;

constexpr LanguageId kNotRegular = UINT32_MAX;

/// Rules that need no stack become languages, and so does whatever refers to no others; the rest
/// become nodes.
class Compiler {
  public:
    Compiler(Grammar& grammar, const GrammarSyntax& syntax)
        : syntax_(syntax),
          grammar_(grammar),
          first_rule_(NodeId(grammar.nodes.size())),
          languages_(syntax.rules.size(), kNotRegular) {}
    NodeId compile();

  private:
    void find_regular_rules();
    bool is_regular(const Syntax& syntax) const;
    LanguageId language(const Syntax& syntax) {
        return full_match(grammar_.languages, syntax, utf8_char, languages_);
    }
    NodeId node(const Syntax& syntax);
    std::vector<NodeId> nodes_of_sequence(const Syntax& syntax);
    std::vector<NodeId> nodes_of_choice(const Syntax& syntax);
    NodeId repeated(const Syntax& syntax);

    const GrammarSyntax& syntax_;
    Grammar& grammar_;
    const NodeId first_rule_;            // the others follow it, before all other nodes
    std::vector<LanguageId> languages_;  // of each rule
};

/// Calls `visit` with each part of it, and itself.
void for_each(const Syntax& syntax, const std::function<void(const Syntax&)>& visit) {
    visit(syntax);
    for (const Syntax& part : syntax.parts) for_each(part, visit);
}

/// Those first that refer to none, then those that refer to these alone, and so on.
void Compiler::find_regular_rules() {
    const size_t n = syntax_.rules.size();
    std::vector<std::vector<size_t>> users(n);
    std::vector<size_t> n_unknown(n), work;
    for (size_t i = 0; i < n; i++) {
        for_each(syntax_.rules[i].syntax, [&](const Syntax& part) {
            if (part.kind == Kind::text_begin || part.kind == Kind::text_end ||
                part.kind == Kind::look_ahead)
                throw GrammarError("the rule " + syntax_.rules[i].name +
                                   " has ^, $ or a look-ahead, which a grammar cannot have");
            if (part.kind != Kind::rule) return;
            users.at(part.rule).push_back(i);
            n_unknown[i]++;
        });
        if (n_unknown[i] == 0) work.push_back(i);
    }
    while (!work.empty()) {
        const size_t rule = work.back();
        work.pop_back();
        languages_[rule] = language(syntax_.rules[rule].syntax);
        for (const size_t user : users[rule])
            if (--n_unknown[user] == 0) work.push_back(user);
    }
}

bool Compiler::is_regular(const Syntax& syntax) const {
    if (syntax.kind == Kind::rule) return languages_[syntax.rule] != kNotRegular;
    return std::ranges::all_of(syntax.parts, [&](const Syntax& part) { return is_regular(part); });
}

NodeId Compiler::node(const Syntax& syntax) {
    if (is_regular(syntax)) return grammar_.text(language(syntax));
    switch (syntax.kind) {
        case Kind::sequence:
            return grammar_.sequence(nodes_of_sequence(syntax));
        case Kind::choice:
            return grammar_.choice(nodes_of_choice(syntax));
        case Kind::repeat:
            return repeated(syntax);
        default:
            return first_rule_ + NodeId(syntax.rule);
    }
}

/// One for each run of parts that are regular.
std::vector<NodeId> Compiler::nodes_of_sequence(const Syntax& syntax) {
    std::vector<NodeId> nodes;
    std::vector<LanguageId> run;
    auto end_run = [&] {
        LanguageId all = Languages::kEmpty;
        for (; !run.empty(); run.pop_back()) all = grammar_.languages.sequence(run.back(), all);
        if (all != Languages::kEmpty) nodes.push_back(grammar_.text(all));
    };
    for (const Syntax& part : syntax.parts) {
        if (is_regular(part)) {
            run.push_back(language(part));
            continue;
        }
        end_run();
        nodes.push_back(node(part));
    }
    end_run();
    return nodes;
}

std::vector<NodeId> Compiler::nodes_of_choice(const Syntax& syntax) {
    std::vector<NodeId> nodes;
    std::vector<LanguageId> regular;
    for (const Syntax& part : syntax.parts) {
        if (is_regular(part))
            regular.push_back(language(part));
        else
            nodes.push_back(node(part));
    }
    if (!regular.empty())
        nodes.push_back(grammar_.text(grammar_.languages.either_factored(std::move(regular))));
    return nodes;
}

NodeId Compiler::repeated(const Syntax& syntax) {
    if (syntax.max == 0) return grammar_.text(Languages::kEmpty);
    const NodeId item = node(syntax.parts[0]);
    if (syntax.min == 1 && syntax.max == 1) return item;
    // A list has a frame; what recurs at its end has none, and may do so for ever.
    if (syntax.min == 0 && syntax.max == 1)
        return grammar_.choice({item, grammar_.text(Languages::kEmpty)});
    Node list;
    list.kind = Node::Kind::list;
    list.language = Languages::kEmpty;
    list.parts = {item};
    list.min = syntax.min, list.max = syntax.max;
    return grammar_.add(std::move(list));
}

NodeId Compiler::compile() {
    find_regular_rules();
    const size_t n_rules = syntax_.rules.size();
    grammar_.nodes.resize(first_rule_ + n_rules);
    for (size_t rule = 0; rule < n_rules; rule++) {
        Node rule_node;
        if (languages_[rule] != kNotRegular) {
            rule_node.kind = Node::Kind::text;
            rule_node.language = languages_[rule];
        } else {
            const NodeId body = node(syntax_.rules[rule].syntax);
            rule_node.kind = Node::Kind::choice;
            rule_node.parts = {body};
            if (body + 1 == grammar_.nodes.size() && body >= first_rule_ + n_rules) {
                rule_node = std::move(grammar_.nodes.back());  // nothing else refers to it
                grammar_.nodes.pop_back();
            }
        }
        grammar_.nodes[first_rule_ + rule] = std::move(rule_node);
    }
    return first_rule_ + NodeId(syntax_.root);
}

Grammar of_language(Grammar grammar, LanguageId language) {
    grammar.root = grammar.text(language);
    grammar.finish();
    return grammar;
}

}  // namespace

Grammar compile_regex(std::string_view pattern) {
    Grammar grammar;
    const LanguageId language = full_match(grammar.languages, parse_regex(pattern), utf8_char);
    return of_language(std::move(grammar), language);
}

Grammar compile_choice(std::vector<std::string> choices) {
    if (choices.empty()) throw GrammarError("there is no text to choose");
    Grammar grammar;
    const LanguageId language = grammar.languages.one_of(std::move(choices));
    return of_language(std::move(grammar), language);
}

NodeId add_grammar(Grammar& grammar, const GrammarSyntax& syntax) {
    return Compiler(grammar, syntax).compile();
}

Grammar compile_grammar(const GrammarSyntax& syntax) {
    Grammar grammar;
    grammar.root = add_grammar(grammar, syntax);
    grammar.finish();
    return grammar;
}

}  // namespace qwend::grammar
