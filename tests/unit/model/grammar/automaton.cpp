#include "model/grammar/automaton.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/model/grammar/random_grammar.h"

using namespace qwend::grammar;

namespace {

const std::string kBytes = "ab,\"\\n\xC3\xA9";

bool accepts(Automaton& automaton, std::string_view text) {
    return automaton.accepts(automaton.after(automaton.start(), text));
}

Automaton automaton_of(Grammar grammar, NodeId root) {
    grammar.root = root;
    grammar.finish();
    return Automaton(std::move(grammar), {});
}

/// Random grammars that have a text, and are not too ambiguous.
template <class Check>
void for_each_grammar(int n, Check&& check) {
    int n_checked = 0;
    for (int round = 0; round < n; round++) {
        try {
            RandomGrammar random(4 + uint32_t(round % 12));
            check(random);
            n_checked++;
        } catch (const GrammarError&) {
            continue;
        }
    }
    CHECK(n_checked > n / 2);
}

/// A text that leads from the state to one that accepts, if there is one among the next states.
bool can_be_completed(Automaton& automaton, StateId state, size_t most) {
    std::vector<StateId> seen{state};
    for (size_t i = 0; i < seen.size() && seen.size() < most; i++) {
        if (automaton.accepts(seen[i])) return true;
        for (const char byte : kBytes) {
            const StateId next = automaton.after(seen[i], uint8_t(byte));
            if (next != Automaton::kDead && std::ranges::find(seen, next) == seen.end())
                seen.push_back(next);
        }
    }
    return seen.size() >= most;
}

}  // namespace

TEST_CASE("automaton: it takes the texts that the grammar says, and no others") {
    for_each_grammar(1500, [](RandomGrammar& random) {
        Automaton automaton(random.grammar, {.characters = 3, .items = 2});
        for (int i = 0; i < 20; i++) {
            std::string text = random.make(random.grammar.root).value_or("");
            if (text.size() > 40) continue;
            if (random.one_in(2) && !text.empty())
                text[random.below(uint32_t(text.size()))] = kBytes[random.below(8)];
            CAPTURE(text);
            const bool is_taken = accepts(automaton, text);  // apart: it throws what is ambiguous
            CHECK(is_taken == random.says(text));
        }
        for (int i = 0; i < 10; i++) {  // along its own ways
            StateId state = automaton.start();
            std::string text;
            for (int n = 0; n < 12; n++) {
                CAPTURE(text);
                CHECK(automaton.accepts(state) == random.says(text));
                const char byte = kBytes[random.below(8)];
                const StateId next = automaton.after(state, uint8_t(byte));
                if (next == Automaton::kDead) continue;
                state = next, text += byte;
            }
        }
    });
}

TEST_CASE("automaton: from each state a text can be completed") {
    for_each_grammar(1500, [](RandomGrammar& random) {
        Automaton automaton(random.grammar, {.characters = 3, .items = 2});
        for (int i = 0; i < 5; i++) {
            StateId state = automaton.start();
            std::string text;
            for (int n = 0; n < 20; n++) {
                const char byte = kBytes[random.below(8)];
                const StateId next = automaton.after(state, uint8_t(byte));
                if (next != Automaton::kDead) state = next, text += byte;
            }
            CAPTURE(text);
            const bool can_be = can_be_completed(automaton, state, 2000);
            CHECK(can_be);
        }
    });
}

TEST_CASE("automaton: a state and what it is folded to go on alike for as long as one token") {
    for_each_grammar(1500, [](RandomGrammar& random) {
        Automaton automaton(random.grammar, {.characters = 3, .items = 2});
        StateId state = automaton.start();
        std::string text;
        for (int n = 0; n < 60; n++) {
            const char byte = kBytes[random.below(8)];
            const StateId next = automaton.after(state, uint8_t(byte));
            if (next == Automaton::kDead) continue;
            state = next, text += byte;
            CAPTURE(text);
            const StateId folded = automaton.folded(state);
            CHECK(automaton.folded(folded) == folded);
            CHECK(automaton.accepts(folded) == automaton.accepts(state));
            for (int i = 0; i < 30; i++) {
                std::string token;
                for (uint32_t k = 1 + random.below(3); k > 0; k--) token += kBytes[random.below(8)];
                if (std::ranges::count(token, ',') > 2) continue;
                StateId at = folded;
                for (const char c : token)
                    at = at == Automaton::kDead ? at : automaton.folded_after(at, uint8_t(c));
                CAPTURE(token);
                const StateId exact = automaton.after(state, token);
                CHECK((at == Automaton::kDead) == (exact == Automaton::kDead));
                CHECK(automaton.accepts(at) == automaton.accepts(exact));
            }
        }
    });
}

TEST_CASE("automaton: what is counted far away makes few states for masks") {
    Grammar grammar;
    Languages& l = grammar.languages;
    Node counted;
    counted.kind = Node::Kind::counted;
    counted.language = l.repeat(l.byte_in(ByteSet::range('a', 'z')), 0);
    counted.min = 5'000, counted.max = 10'000;
    const NodeId root = grammar.add(counted);  // before the grammar is copied
    Automaton automaton = automaton_of(grammar, root);
    std::vector<StateId> folded;
    StateId state = automaton.start();
    for (int i = 0; i < 10'000; i++) {
        folded.push_back(automaton.folded(state));
        CHECK(automaton.accepts(state) == (i >= 5'000));
        state = automaton.after(state, 'a');
    }
    CHECK(automaton.is_complete(state));
    std::ranges::sort(folded);
    folded.erase(std::unique(folded.begin(), folded.end()), folded.end());
    CHECK(folded.size() < 300);
}

TEST_CASE("automaton: what recurs at its end stays flat, what nests does not nest too deep") {
    Grammar grammar;
    Languages& l = grammar.languages;
    const NodeId a = grammar.text(l.literal("a")), b = grammar.text(l.literal("b"));
    const NodeId flat = grammar.add({});
    const NodeId flat_sequence = grammar.sequence({a, flat});
    grammar.nodes[flat].kind = Node::Kind::choice;
    grammar.nodes[flat].parts = {flat_sequence, b};
    const NodeId deep = grammar.add({});
    const NodeId deep_sequence = grammar.sequence({a, deep, b});
    grammar.nodes[deep].kind = Node::Kind::choice;
    grammar.nodes[deep].parts = {deep_sequence, grammar.text(l.literal("c"))};

    Automaton flat_one = automaton_of(grammar, flat);
    CHECK(accepts(flat_one, std::string(100'000, 'a') + "b"));
    CHECK(flat_one.n_states() < 10);
    Automaton deep_one = automaton_of(grammar, deep);
    std::string most(Grammar::kMaxDepth, 'a');
    CHECK(accepts(deep_one, most + "c" + std::string(most.size(), 'b')));
    const StateId state = deep_one.after(deep_one.start(), most);
    CHECK(deep_one.after(state, 'a') == Automaton::kDead);
    CHECK(deep_one.after(state, 'c') != Automaton::kDead);
}

TEST_CASE("automaton: objects that nest too deep still have what they must have") {
    // {"a":…,"b":…,"c":"","d":…} of which any two have to come; a, b and d nest.
    Grammar grammar;
    Languages& l = grammar.languages;
    const NodeId object = grammar.add({}), empty = grammar.text(l.literal("0"));
    auto after_colon = [&](NodeId value) {
        return grammar.sequence({grammar.text(l.literal(":")), value});
    };
    Members members;
    members.separator = l.literal(",");
    members.min = 2;
    const NodeId nested = after_colon(object), flat = after_colon(empty);
    for (const char* name : {"\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""}) {
        members.names.add(name, uint32_t(members.properties.size()));
        const bool is_flat = name[1] == 'c' || name[1] == 'e';
        members.properties.push_back({is_flat ? flat : nested, false});
    }
    grammar.members.push_back(std::move(members));
    Node all;
    all.kind = Node::Kind::members;
    const NodeId inner = grammar.add(all);
    grammar.nodes[object] = grammar.nodes[grammar.sequence(
        {grammar.text(l.literal("{")), inner, grammar.text(l.literal("}"))})];
    Automaton automaton = automaton_of(grammar, object);
    StateId state = automaton.start();
    int depth = 0;
    for (;; depth++) {
        const StateId next = automaton.after(state, "{\"a\":");
        if (next == Automaton::kDead) break;
        state = next;
    }
    CHECK(depth > 50);
    state = automaton.after(state, "{");
    CHECK(automaton.after(state, "\"b") == Automaton::kDead);
    state = automaton.after(state, "\"c\":0,\"e\":0}");
    for (; depth > 0; depth--) state = automaton.after(state, ",\"e\":0}");
    CHECK(automaton.is_complete(state));
}

TEST_CASE("automaton: members leave room for what is required, and count what can come") {
    Grammar grammar;
    Languages& l = grammar.languages;
    const NodeId one = grammar.text(l.literal("1")), none = grammar.text(Languages::kNothing);
    auto object = [&](std::vector<Members::Property> properties, uint32_t min, uint32_t max) {
        Members members;
        members.separator = l.literal(",");
        members.min = min, members.max = max;
        for (size_t i = 0; i < properties.size(); i++)
            members.names.add(std::string("\"") + char('a' + i) + "\"", uint32_t(i));
        members.properties = std::move(properties);
        Grammar copy = grammar;
        copy.members.push_back(std::move(members));
        Node node;
        node.kind = Node::Kind::members;
        const NodeId root = copy.add(node);
        return automaton_of(copy, root);
    };
    Automaton room = object({{one, false}, {one, true}}, 0, 1);
    CHECK(room.after(room.start(), "\"a") == Automaton::kDead);
    CHECK(accepts(room, "\"b\"1"));
    Automaton few = object({{one, false}, {one, false}, {none, false}}, 2, kUnbounded);
    CHECK(few.after(few.start(), "\"b") == Automaton::kDead);
    CHECK(accepts(few, "\"a\"1,\"b\"1"));
    CHECK_THROWS_AS((void)object({{one, false}, {none, false}}, 2, kUnbounded), GrammarError);
    CHECK_THROWS_AS((void)object({{one, false}, {one, false}}, 2, 1), GrammarError);
}

TEST_CASE("automaton: thousands of rules that lead to each other are refused, not followed") {
    Grammar grammar;
    NodeId last = grammar.text(grammar.languages.literal("a"));
    for (int i = 0; i < 100'000; i++) {
        Node node;
        node.kind = Node::Kind::choice;
        node.parts = {last};
        last = grammar.add(std::move(node));
    }
    CHECK_THROWS_AS((void)automaton_of(grammar, last), GrammarError);
}

TEST_CASE("automaton: what it says is the only next byte is the only one that leads on") {
    size_t n_only = 0;
    for_each_grammar(500, [&](RandomGrammar& random) {
        Automaton automaton(random.grammar, {});
        std::mt19937& any = random.random;
        StateId state = automaton.start();
        for (int i = 0; i < 12 && state != Automaton::kDead; i++) {
            std::vector<uint8_t> alive;
            for (int byte = 0; byte < 256; byte++)
                if (automaton.after(state, uint8_t(byte)) != Automaton::kDead)
                    alive.push_back(uint8_t(byte));
            if (const auto only = automaton.only_next_byte(state)) {
                CHECK(alive == std::vector<uint8_t>{*only});
                n_only++;
            }
            if (alive.empty()) break;
            state = automaton.after(state, alive[any() % alive.size()]);
        }
    });
    CHECK(n_only > 100);
}
