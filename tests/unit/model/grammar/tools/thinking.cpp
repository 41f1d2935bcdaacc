#include "model/grammar/tools/thinking.h"

#include <doctest/doctest.h>

#include "model/grammar/automaton.h"

using namespace qwend::grammar;

namespace {

Automaton automaton_of(bool begun) {
    Grammar grammar;
    Thinking thinking;
    thinking.open.token =
        "\xFF"
        "1"
        "\xFE";
    thinking.close.token =
        "\xFF"
        "2"
        "\xFE";
    thinking.begun = begun;
    const NodeId answer = grammar.text(grammar.languages.literal("42"));
    grammar.root = add_thinking(grammar, thinking, answer);
    grammar.finish();
    return Automaton(std::move(grammar), {});
}

bool takes(Automaton& automaton, std::string_view text) {
    return automaton.accepts(automaton.after(automaton.start(), text));
}

}  // namespace

TEST_CASE("thinking: what a prompt has begun ends before the answer") {
    Automaton automaton = automaton_of(true);
    CHECK(takes(automaton, "Well, 6 < 7 </thin> \xC3\xA9 <think>.\n</think>\n\n42"));
    CHECK(takes(automaton, "</think>42"));
    CHECK(takes(automaton,
                "a\xFF"
                "2\xFE\n42"));
    for (const char* wrong :
         {"42", "a", "a</think>", "a</think> 42", "a</think>43", "a</think>42</think>",
          "a\xFF"
          "1\xFE</think>42",
          "a</think>\n\n\n\n\n\n\n\n\n42"})
        CHECK_FALSE_MESSAGE(takes(automaton, wrong), wrong);
}

TEST_CASE("thinking: a model may begin it before its answer") {
    Automaton automaton = automaton_of(false);
    CHECK(takes(automaton, "42"));
    CHECK(takes(automaton, "<think>\nWell\n</think>\n\n42"));
    CHECK(takes(automaton,
                "\xFF"
                "1\xFE\n\xFF"
                "2\xFE"
                "42"));
    for (const char* wrong : {"Well</think>42", "<think>42", "42<think>a</think>"})
        CHECK_FALSE_MESSAGE(takes(automaton, wrong), wrong);
}

TEST_CASE("thinking: plain text leads from a state to itself") {
    Automaton automaton = automaton_of(true);
    const StateId state = automaton.after(automaton.start(), "W");
    for (const char* text : {"x", " and so on, line\n", "\xC3\xA9", "1 > 0", "<b", "</thin"})
        CHECK(automaton.after(automaton.after(state, text), ".") == state);
}
