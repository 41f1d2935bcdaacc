#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/grammar/grammar.h"

namespace qwend::grammar {

/// Small random grammars of every kind of node, and what is said of them straight from the meaning
/// of the kinds.
struct RandomGrammar {
    std::mt19937 random{std::random_device{}()};
    Grammar grammar;
    LanguageId body = 0;  // any number of a, é and \n, as in a string of JSON

    uint32_t below(uint32_t n) { return uint32_t(random() % n); }
    bool one_in(uint32_t n) { return below(n) == 0; }

    /// Finished; throws GrammarError if it has no text.
    explicit RandomGrammar(uint32_t n_nodes) {
        Languages& l = grammar.languages;
        body = l.repeat(l.one_of({"a", "\xC3\xA9", "\\n"}), 0);
        for (uint32_t i = 0; i < n_nodes; i++) add(n_nodes);
        // What is recursive reads something before it recurs.
        for (Node& node : grammar.nodes)
            if (node.kind == Node::Kind::sequence && node.parts.size() > 1 && one_in(4)) {
                node.parts[0] = 0;
                node.parts.back() = below(n_nodes);
            }
        grammar.root = n_nodes - 1;
        grammar.finish();
    }

    /// Whether the whole text is one of the node; the twin of the automaton.
    bool says(const std::string& of) {
        text = of;
        known.clear();
        return ends(grammar.root, 0).contains(of.size());
    }

    /// A text of the node; nothing if none was found.
    std::optional<std::string> make(NodeId id, int depth = 12) {
        if (depth == 0) return {};
        const Node& node = grammar.nodes[id];
        switch (node.kind) {
            case Node::Kind::undefined:
                return {};
            case Node::Kind::text:
                return make_text(node.language);
            case Node::Kind::counted: {
                std::string out;
                if (node.min > node.max) return {};
                const uint32_t n = node.min + below(std::min(node.max - node.min, 6u) + 1);
                for (uint32_t i = 0; i < n; i++)
                    out += one_in(3) ? "a" : one_in(2) ? "\xC3\xA9" : "\\n";
                return out;
            }
            case Node::Kind::sequence: {
                std::string out;
                for (const NodeId part : node.parts)
                    if (!append(out, make(part, depth - 1))) return {};
                return out;
            }
            case Node::Kind::choice:
                if (node.parts.empty()) return {};
                return make(node.parts[below(uint32_t(node.parts.size()))], depth - 1);
            case Node::Kind::list:
                return make_list(node, depth);
            case Node::Kind::mix:
            case Node::Kind::unique:
                return make_mix(node, depth);
            case Node::Kind::members:
                return make_members(grammar.members[node.index], depth);
        }
        return {};
    }

  private:
    using Ends = std::set<size_t>;

    std::vector<std::string> texts{"a", "b", "\xC3\xA9", "ab", "aa", "ba", "", "\"", "\\n"};
    std::vector<std::string> names{"\"a\"", "\"b\"", "\"ab\"", "\"\xC3\xA9\"", "\"\\n\""};
    std::string text;
    std::map<std::pair<NodeId, size_t>, Ends> known;

    void add(uint32_t n_nodes) {
        const auto n = uint32_t(grammar.nodes.size());
        Node node;
        if (n == 0) return void(grammar.text(grammar.languages.literal("b")));
        auto part = [&] { return NodeId(below(n)); };
        auto add_parts = [&](uint32_t count) {
            for (; count > 0; count--) node.parts.push_back(part());
        };
        const uint32_t kind = n < n_nodes / 3 ? below(3) : 2 + below(8);
        switch (kind) {
            case 0:
            case 1:
                node.kind = Node::Kind::text;
                node.language = language();
                break;
            case 2:
                node.kind = Node::Kind::counted;
                node.language = body;
                set_bounds(node);
                break;
            case 3:
            case 4:
                node.kind = Node::Kind::sequence;
                add_parts(below(4));
                break;
            case 5:
                node.kind = one_in(40) ? Node::Kind::undefined : Node::Kind::choice;
                add_parts(below(4));
                break;
            case 6:
                node.kind = Node::Kind::list;
                node.language =
                    one_in(2) ? grammar.languages.literal(",") : LanguageId(Languages::kEmpty);
                add_parts(1 + (one_in(2) ? below(3) : 0));
                if (one_in(4)) node.parts.back() = kNoNode;
                set_bounds(node);
                break;
            case 7:
                node.kind = Node::Kind::mix;
                node.language = grammar.languages.literal(",");
                node.parts = {part(), part()};
                set_bounds(node);
                node.min_first = one_in(3) ? 0 : below(4);
                node.max_first = one_in(2) ? kUnbounded : node.min_first + below(4);
                break;
            case 8:
                node.kind = Node::Kind::unique;
                node.language = grammar.languages.literal(",");
                add_parts(below(5));
                set_bounds(node);
                break;
            default:
                node.kind = Node::Kind::members;
                node.index = uint32_t(grammar.members.size());
                grammar.members.push_back(members(n));
        }
        grammar.add(std::move(node));
    }

    void set_bounds(Node& node) {
        node.min = one_in(2) ? 0 : below(4);
        node.max = one_in(3) ? kUnbounded : one_in(10) ? below(3) : node.min + below(12);
    }

    LanguageId language() {
        Languages& l = grammar.languages;
        std::vector<std::string> some;
        for (uint32_t i = one_in(30) ? 0 : 1 + below(3); i > 0; i--)
            some.push_back(texts[below(uint32_t(texts.size()))]);
        LanguageId out = l.one_of(some);
        if (one_in(5)) out = l.repeat(out, below(2));
        if (one_in(10)) out = l.both({out, l.complement(l.literal("a"))});
        return out;
    }

    Members members(uint32_t n) {
        Languages& l = grammar.languages;
        Members out;
        out.separator = l.literal(",");
        std::vector<std::string> used;
        for (const std::string& name : names) {
            if (one_in(2)) continue;
            out.names.add(name, uint32_t(out.properties.size()));
            out.properties.push_back({below(n), one_in(3)});
            used.push_back(name);
        }
        for (uint32_t i = below(3); i > 0; i--) {
            const LanguageId any = l.sequence({l.literal("\""), body, l.literal("\"")});
            const LanguageId some = one_in(2) ? any : l.one_of({names[below(5)], names[below(5)]});
            out.others.push_back({l.both({some, l.complement(l.one_of(used))}), below(n)});
        }
        if (one_in(2)) out.min = below(4);
        if (one_in(2)) out.max = out.min + below(3);
        known_names.push_back(std::move(used));
        return out;
    }

    std::optional<std::string> make_text(LanguageId language) {
        for (int tries = 0; tries < 20; tries++) {
            std::string out;
            for (uint32_t i = below(4); i > 0; i--) out += texts[below(uint32_t(texts.size()))];
            if (grammar.languages.contains(language, out)) return out;
        }
        return {};
    }

    static bool append(std::string& to, const std::optional<std::string>& more) {
        if (more) to += *more;
        return more.has_value();
    }

    std::optional<std::string> make_list(const Node& node, int depth) {
        std::string out;
        if (node.min > node.max) return {};
        uint32_t n = node.min + below(std::min(node.max - node.min, 4u) + 1);
        for (uint32_t i = 0; i < n; i++) {
            const NodeId item = node.parts[std::min<size_t>(i, node.parts.size() - 1)];
            if (item == kNoNode) return i < node.min ? std::nullopt : std::optional(out);
            if (i > 0 && node.language != Languages::kEmpty) out += ",";
            if (!append(out, make(item, depth - 1))) return {};
        }
        return out;
    }

    /// Some items, of which says() tells whether they are as many as they have to be.
    std::optional<std::string> make_mix(const Node& node, int depth) {
        std::string out;
        for (uint32_t i = 0, n = node.parts.empty() ? 0 : below(5); i < n; i++) {
            if (i > 0) out += ",";
            if (!append(out, make(node.parts[below(uint32_t(node.parts.size()))], depth - 1)))
                return {};
        }
        return out;
    }

    std::optional<std::string> make_members(const Members& all, int depth) {
        std::string out;
        uint32_t n_known = 0, n_others = 0;
        auto member = [&](const std::string& name, NodeId value) {
            if (n_known + n_others > 0) out += ",";
            out += name;
            return append(out, make(value, depth - 1));
        };
        const auto& used = known_names[size_t(&all - grammar.members.data())];
        for (size_t i = 0; i < used.size(); i++) {
            if (!all.properties[i].required && one_in(2)) continue;
            if (!member(used[i], all.properties[i].value)) return {};
            n_known++;
        }
        for (uint32_t i = below(3); i > 0 && !all.others.empty(); i--) {
            const auto& others = all.others[below(uint32_t(all.others.size()))];
            const std::string& name = names[below(5)];
            if (!grammar.languages.contains(others.name, name)) return {};
            if (!member(name, others.value)) return {};
            n_others++;
        }
        if (n_known + n_others > all.max || n_known + (n_others > 0) < all.min) return {};
        return out;
    }

    const Ends& ends(NodeId id, size_t at) {
        const auto [found, is_new] = known.try_emplace({id, at});
        if (is_new) {
            Ends now = find_ends(grammar.nodes[id], at);
            return known[{id, at}] = std::move(now);
        }
        return found->second;
    }

    Ends ends_of_each(NodeId id, const Ends& begins) {
        Ends out;
        for (const size_t at : begins) {
            const Ends more = ends(id, at);
            out.insert(more.begin(), more.end());
        }
        return out;
    }

    Ends ends_of_language(LanguageId language, const Ends& begins) {
        Ends out;
        for (const size_t at : begins)
            for (size_t end = at; end <= text.size(); end++)
                if (grammar.languages.contains(language, text.substr(at, end - at)))
                    out.insert(end);
        return out;
    }

    Ends find_ends(const Node& node, size_t at) {
        Ends out;
        switch (node.kind) {
            case Node::Kind::undefined:
                return {};
            case Node::Kind::text:
                return ends_of_language(node.language, {at});
            case Node::Kind::counted:
                for (const size_t end : ends_of_language(node.language, {at})) {
                    const auto n = characters(text.substr(at, end - at));
                    if (n >= node.min && n <= node.max) out.insert(end);
                }
                return out;
            case Node::Kind::sequence:
                out = {at};
                for (const NodeId part : node.parts) out = ends_of_each(part, out);
                return out;
            case Node::Kind::choice:
                for (const NodeId part : node.parts) {
                    const Ends more = ends(part, at);
                    out.insert(more.begin(), more.end());
                }
                return out;
            case Node::Kind::list:
                return ends_of_list(node, at);
            case Node::Kind::mix:
                return ends_of_mixed(node, at);
            case Node::Kind::unique:
                add_unique(node, 0, 0, {at}, out);
                return out;
            case Node::Kind::members:
                return ends_of_members(node.index, at);
        }
        return {};
    }

    /// Of a string's body made of a, é and \n.
    static size_t characters(const std::string& body) {
        size_t n = 0;
        for (const char c : body) n += c == 'a' || c == '\xC3' || c == '\\';
        return n;
    }

    Ends ends_of_list(const Node& node, size_t at) {
        Ends now{at}, out;
        const size_t most = node.min + node.parts.size() + text.size() + 2;
        for (size_t n = 0; n <= std::min<size_t>(node.max, most); n++) {
            if (n >= node.min) out.insert(now.begin(), now.end());
            const NodeId item = node.parts[std::min(n, node.parts.size() - 1)];
            if (item == kNoNode) break;
            if (n > 0) now = ends_of_language(node.language, now);
            now = ends_of_each(item, now);
        }
        return out;
    }

    /// After n items: where they may end by how many of them are the first part. Whatever came
    /// before counts only by these two, or there would be 2^n ways to look at.
    Ends ends_of_mixed(const Node& node, size_t at) {
        Ends out;
        std::vector<Ends> now(1, Ends{at});
        for (uint32_t n = 0; n <= std::min<size_t>(node.max, text.size() + 6); n++) {
            std::vector<Ends> next(n + 2);
            for (uint32_t n_first = 0; n_first <= std::min(n, node.max_first); n_first++) {
                const Ends& ends_here = now[n_first];
                if (ends_here.empty()) continue;
                if (n >= node.min && n_first >= node.min_first)
                    out.insert(ends_here.begin(), ends_here.end());
                const Ends begins = n == 0 ? ends_here : ends_of_language(node.language, ends_here);
                next[n_first + 1].merge(ends_of_each(node.parts[0], begins));
                next[n_first].merge(ends_of_each(node.parts[1], begins));
            }
            now = std::move(next);
        }
        return out;
    }

    /// After n items, whose bits are set.
    void add_unique(const Node& node, uint32_t n, uint32_t done, const Ends& begins, Ends& out) {
        if (begins.empty() || n > node.max) return;
        if (n >= node.min) out.insert(begins.begin(), begins.end());
        const Ends next = n == 0 ? begins : ends_of_language(node.language, begins);
        for (uint32_t i = 0; i < node.parts.size(); i++)
            if (!(done >> i & 1))
                add_unique(node, n + 1, done | 1u << i, ends_of_each(node.parts[i], next), out);
    }

    Ends ends_of_members(uint32_t index, size_t at) {
        Ends out;
        add_members(index, 0, {at}, 0, 0, out);
        return out;
    }

    /// From property `next` on, after so many known and other ones.
    void add_members(uint32_t index, size_t next, const Ends& begins, uint32_t n_known,
                     uint32_t n_others, Ends& out) {
        const Members& all = grammar.members[index];
        if (begins.empty() || n_known + n_others > all.max) return;
        const Ends named =
            n_known + n_others == 0 ? begins : ends_of_language(all.separator, begins);
        if (next < all.properties.size()) {
            const auto& property = all.properties[next];
            const LanguageId name = grammar.languages.literal(known_names[index][next]);
            add_members(index, next + 1,
                        ends_of_each(property.value, ends_of_language(name, named)), n_known + 1, 0,
                        out);
            if (!property.required) add_members(index, next + 1, begins, n_known, 0, out);
            return;
        }
        if (n_known + (n_others > 0) >= all.min) out.insert(begins.begin(), begins.end());
        for (const auto& others : all.others)
            add_members(index, next,
                        ends_of_each(others.value, ends_of_language(others.name, named)), n_known,
                        n_others + 1, out);
    }

    std::vector<std::vector<std::string>> known_names;  // of each of Grammar::members
};

}  // namespace qwend::grammar
