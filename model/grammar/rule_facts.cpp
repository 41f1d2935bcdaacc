#include "model/grammar/rule_facts.h"

#include <algorithm>
#include <utility>

namespace qwend::grammar {

namespace {

/// Finds which rules have a text if sets have or have not. A node of a tree becomes true once, when
/// enough of its parts are, and then tells the node above it.
class TextFinder {
  public:
    TextFinder(const GrammarSyntax& grammar, bool sets_have_text)
        : sets_have_text_(sets_have_text),
          users_(grammar.rules.size()),
          found_(grammar.rules.size(), false) {
        for (size_t i = 0; i < grammar.rules.size(); i++) {
            rule_ = i;
            add(grammar.rules[i].syntax, kTop);
        }
    }

    std::vector<bool> find() {
        while (!ready_.empty()) {
            const Node node = nodes_[ready_.back()];
            ready_.pop_back();
            if (node.parent != kTop) {
                settle(node.parent);
            } else if (!found_[node.rule]) {
                found_[node.rule] = true;
                for (size_t user : users_[node.rule]) settle(user);
            }
        }
        return found_;
    }

  private:
    static constexpr size_t kTop = SIZE_MAX;
    struct Node {
        size_t parent = kTop, rule = 0;
        size_t missing = 0;  // so many parts must still be true
        bool done = false;
    };

    /// One part of it more has a text.
    void settle(size_t at) {
        Node& node = nodes_[at];
        if (node.missing > 0) node.missing--;
        if (node.missing > 0 || node.done) return;
        node.done = true;
        ready_.push_back(at);
    }

    void add(const Syntax& syntax, size_t parent) {
        const size_t at = nodes_.size();
        nodes_.push_back({parent, rule_, missing_of(syntax), false});
        if (syntax.kind == Syntax::Kind::rule) users_[syntax.rule].push_back(at);
        for (const Syntax& part : syntax.parts) add(part, at);
        if (nodes_[at].missing == 0) settle(at);
    }

    size_t missing_of(const Syntax& syntax) const {
        switch (syntax.kind) {
            case Syntax::Kind::set:
                return sets_have_text_ && !syntax.set.empty() ? 0 : 1;
            case Syntax::Kind::sequence:
                return syntax.parts.size();
            case Syntax::Kind::choice:
            case Syntax::Kind::rule:
                return 1;
            case Syntax::Kind::repeat:
                return syntax.min == 0 ? 0 : 1;
            default:
                return 0;
        }
    }

    bool sets_have_text_;
    std::vector<Node> nodes_;
    std::vector<std::vector<size_t>> users_;  // the nodes that name a rule
    std::vector<bool> found_;
    std::vector<size_t> ready_;
    size_t rule_ = 0;
};

/// Adds what the syntax calls on the left; whether it has the empty text.
bool add_left_calls(const Syntax& syntax, const std::vector<bool>& nullable,
                    std::vector<size_t>& out) {
    bool has_empty = false;
    switch (syntax.kind) {
        case Syntax::Kind::set:
            return false;
        case Syntax::Kind::rule:
            out.push_back(syntax.rule);
            return nullable[syntax.rule];
        case Syntax::Kind::sequence:
            for (const Syntax& part : syntax.parts)
                if (!add_left_calls(part, nullable, out)) return false;
            return true;
        case Syntax::Kind::choice:
            for (const Syntax& part : syntax.parts)
                has_empty |= add_left_calls(part, nullable, out);
            return has_empty;
        case Syntax::Kind::repeat:
            return add_left_calls(syntax.parts[0], nullable, out) || syntax.min == 0;
        default:
            return true;
    }
}

/// Tarjan's algorithm for strongly connected components, with a stack of its own: a chain of rules
/// may be as long as the grammar.
class CircleFinder {
  public:
    explicit CircleFinder(std::vector<std::vector<size_t>> calls)
        : calls_(std::move(calls)),
          order_(calls_.size(), 0),
          low_(calls_.size(), 0),
          on_path_(calls_.size(), false),
          circle_(calls_.size(), kNoCircle) {}

    std::vector<size_t> find() {
        for (size_t rule = 0; rule < calls_.size(); rule++)
            if (order_[rule] == 0) visit(rule);
        return circle_;
    }

  private:
    struct Visit {
        size_t rule = 0, next_call = 0;
    };

    void enter(size_t rule) {
        order_[rule] = low_[rule] = ++n_visited_;
        on_path_[rule] = true;
        path_.push_back(rule);
        visits_.push_back({rule, 0});
    }

    void visit(size_t start) {
        enter(start);
        while (!visits_.empty()) {
            Visit& visit = visits_.back();
            const size_t rule = visit.rule;
            if (visit.next_call < calls_[rule].size()) {
                const size_t called = calls_[rule][visit.next_call++];
                if (order_[called] == 0)
                    enter(called);
                else if (on_path_[called])
                    low_[rule] = std::min(low_[rule], order_[called]);
                continue;
            }
            visits_.pop_back();
            if (!visits_.empty())
                low_[visits_.back().rule] = std::min(low_[visits_.back().rule], low_[rule]);
            if (low_[rule] == order_[rule]) close(rule);
        }
    }

    /// The rules of the path from `first` on are one component; alone, it may not call itself.
    void close(size_t first) {
        const bool alone = path_.back() == first;
        const bool is_circle = !alone || std::find(calls_[first].begin(), calls_[first].end(),
                                                   first) != calls_[first].end();
        for (bool last = false; !last; path_.pop_back()) {
            last = path_.back() == first;
            on_path_[path_.back()] = false;
            if (is_circle) circle_[path_.back()] = n_circles_;
        }
        if (is_circle) n_circles_++;
    }

    std::vector<std::vector<size_t>> calls_;
    std::vector<size_t> order_, low_;
    std::vector<bool> on_path_;
    std::vector<size_t> circle_, path_;
    std::vector<Visit> visits_;
    size_t n_visited_ = 0, n_circles_ = 0;
};

}  // namespace

std::vector<bool> productive_rules(const GrammarSyntax& grammar) {
    return TextFinder(grammar, true).find();
}

std::vector<bool> nullable_rules(const GrammarSyntax& grammar) {
    return TextFinder(grammar, false).find();
}

bool is_nullable(const Syntax& syntax, const std::vector<bool>& nullable_rules) {
    auto nullable = [&](const Syntax& part) { return is_nullable(part, nullable_rules); };
    switch (syntax.kind) {
        case Syntax::Kind::set:
            return false;
        case Syntax::Kind::rule:
            return nullable_rules[syntax.rule];
        case Syntax::Kind::sequence:
            return std::all_of(syntax.parts.begin(), syntax.parts.end(), nullable);
        case Syntax::Kind::choice:
            return std::any_of(syntax.parts.begin(), syntax.parts.end(), nullable);
        case Syntax::Kind::repeat:
            return syntax.min == 0 || nullable(syntax.parts[0]);
        default:
            return true;
    }
}

std::vector<size_t> left_circles(const GrammarSyntax& grammar, const std::vector<bool>& nullable) {
    std::vector<std::vector<size_t>> calls(grammar.rules.size());
    for (size_t i = 0; i < calls.size(); i++)
        add_left_calls(grammar.rules[i].syntax, nullable, calls[i]);
    return CircleFinder(std::move(calls)).find();
}

}  // namespace qwend::grammar
