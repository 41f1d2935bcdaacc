// Masks of grammars on one core: what a step waits for. usage: bench-masks TOKENIZER [NAME]

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "model/grammar/compile.h"
#include "model/grammar/masks.h"
#include "model/grammar/numbers.h"
#include "model/grammar/spelling.h"
#include "model/grammar/tools/calls.h"
#include "model/text/tokenizer.h"

namespace {

using namespace qwend::grammar;

double microseconds() {
    return std::chrono::duration<double, std::micro>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Every spelling of JSON, two levels deep.
Grammar json_value() {
    Grammar grammar;
    Languages& l = grammar.languages;
    auto text = [&](std::string_view of) { return grammar.text(l.literal(of)); };
    const LanguageId quote = l.literal("\"");
    const LanguageId string = l.sequence({quote, l.repeat(any_json_char(l), 0), quote});
    const NodeId value = grammar.add({});
    Node list;
    list.kind = Node::Kind::list;
    list.language = l.literal(", ");
    list.parts = {value};
    const NodeId items = grammar.add(list);
    list.parts = {grammar.sequence({grammar.text(l.sequence(string, l.literal(": "))), value})};
    const NodeId members = grammar.add(list);
    Node choice;
    choice.kind = Node::Kind::choice;
    choice.parts = {grammar.text(l.either(
                        {string, number_language(l, {}), l.one_of({"true", "false", "null"})})),
                    grammar.sequence({text("["), items, text("]")}),
                    grammar.sequence({text("{"), members, text("}")})};
    grammar.nodes[value] = std::move(choice);
    grammar.root = value;
    grammar.finish();
    return grammar;
}

Grammar of_number() {
    Grammar grammar;
    grammar.root = grammar.text(grammar.languages.sequence(number_language(grammar.languages, {}),
                                                           grammar.languages.literal(",")));
    grammar.finish();
    return grammar;
}

Grammar of_enum(int n) {
    std::vector<std::string> texts;
    for (int i = 0; i < n; i++) texts.push_back(fmt::format("\"value {} of {}\"", i * 7919 % n, i));
    return compile_choice(std::move(texts));
}

Grammar counted_string(uint32_t max) {
    Grammar grammar;
    Languages& l = grammar.languages;
    Node counted;
    counted.kind = Node::Kind::counted;
    counted.language = l.repeat(any_json_char(l), 0);
    counted.max = max;
    const NodeId quote = grammar.text(l.literal("\""));
    grammar.root = grammar.sequence({quote, grammar.add(counted), quote});
    grammar.finish();
    return grammar;
}

/// Free text with calls of a strict tool in it.
Grammar text_and_calls() {
    Grammar grammar;
    CallRules rules;
    rules.tools = {{"get_weather",
                    R"({"type":"object","properties":{"city":{"type":"string"},"days":
{"type":"integer"}},"required":["city","days"],"additionalProperties":false})",
                    Tool::Arguments::valid}};
    grammar.root = add_calls(grammar, rules).root;
    grammar.finish();
    return grammar;
}

std::string_view only;

struct Quantiles {
    double p50, p99;
};

Quantiles measure(int n, const std::function<double()>& once) {
    std::vector<double> took;
    for (int i = 0; i < n; i++) took.push_back(once());
    std::ranges::sort(took);
    return {took[took.size() / 2], took[took.size() * 99 / 100]};
}

/// The mask behind `prefix`, and reading `text` token by token.
void measure(const char* name, const Vocabulary& vocabulary, const qwend::Tokenizer& tokenizer,
             const Grammar& grammar, std::string_view prefix, std::string_view text) {
    if (!only.empty() && only != name) return;
    const Automaton::Reach reach{vocabulary.max_characters(), vocabulary.max_commas()};
    std::vector<uint32_t> mask(vocabulary.n_words());
    const Quantiles cold = measure(300, [&] {
        Automaton automaton(grammar, reach);
        Masks masks(automaton, vocabulary);
        const StateId state = automaton.after(automaton.start(), prefix);
        const double began = microseconds();
        masks.fill(state, mask);
        return microseconds() - began;
    });
    size_t n_tokens = 0;
    for (const uint32_t word : mask) n_tokens += size_t(std::popcount(word));

    Automaton automaton(grammar, reach);
    Masks masks(automaton, vocabulary);
    const StateId begin = automaton.after(automaton.start(), prefix);
    const Quantiles again = measure(1000, [&] {
        const double began = microseconds();
        masks.fill(begin, mask);
        return microseconds() - began;
    });
    const std::vector<int32_t> ids = tokenizer.encode(text);
    const Quantiles advance = measure(300, [&] {
        StateId state = begin;
        const double began = microseconds();
        for (const int32_t id : ids) state = automaton.after(state, tokenizer.token_bytes(id));
        if (state == Automaton::kDead) fmt::print("{} does not take its text\n", name);
        return (microseconds() - began) / double(ids.size());
    });
    const double began = microseconds();
    size_t n_masks = 0;
    Automaton first_time(grammar, reach);
    Masks first_masks(first_time, vocabulary);
    StateId state = first_time.after(first_time.start(), prefix);
    for (const int32_t id : ids) {
        first_masks.fill(state, mask);
        state = first_time.after(state, tokenizer.token_bytes(id)), n_masks++;
    }
    fmt::print(
        "masks  {:16} {:7} tokens; mask cold {:8.1f} p99 {:8.1f} us, again {:5.2f} p99 {:5.2f} "
        "us; "
        "advance {:5.2f} us a token; first answer {:7.1f} us a token\n",
        name, n_tokens, cold.p50, cold.p99, again.p50, again.p99, advance.p50,
        (microseconds() - began) / double(n_masks));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) return 64;
    if (argc == 3) only = argv[2];
    const auto tokenizer = qwend::Tokenizer::load(argv[1]);
    std::vector<std::string_view> bytes;
    for (int32_t id = 0; id < tokenizer.size(); id++)
        bytes.push_back(tokenizer.is_special(id) ? "" : tokenizer.token_bytes(id));
    const double began = microseconds();
    const Vocabulary vocabulary(bytes);
    fmt::print(
        "masks  vocabulary of {} ids in {:.1f} ms, {} nodes, at most {} characters, {} commas\n",
        bytes.size(), (microseconds() - began) / 1000, vocabulary.all().size(),
        vocabulary.max_characters(), vocabulary.max_commas());
    const std::string prose = "The scheduler decides which requests run in the next step. ";
    const Grammar json = json_value();
    measure("string body", vocabulary, tokenizer, json, "[\"The", prose);
    measure("value", vocabulary, tokenizer, json, "[",
            R"({"name": "Ada", "age": 36, "tags": ["a", "b", {"x": null}], "ok": true}, 12.5])");
    measure("key", vocabulary, tokenizer, json, "{", R"("name": "Ada", "age": 36})");
    measure("number", vocabulary, tokenizer, of_number(), "12", "3456.789e10,");
    measure("enum of 1000", vocabulary, tokenizer, of_enum(1000), "", "\"value 0 of 0\"");
    measure("[a-z0-9-]+", vocabulary, tokenizer, compile_regex("^[a-z0-9-]+$"), "ab",
            "the-scheduler-decides-which-requests-run");
    measure("counted to 50", vocabulary, tokenizer, counted_string(50), "\"The",
            "scheduler decides\"");
    const Grammar calls = text_and_calls();
    measure("text and calls", vocabulary, tokenizer, calls, "The", prose);
    measure("call", vocabulary, tokenizer, calls, "<tool_call>\n{",
            R"("name": "get_weather", "arguments": {"city": "Paris", "days": 3}})");
    measure(".*", vocabulary, tokenizer, compile_regex(".*"), "The", prose);
    measure(".*x.{5}", vocabulary, tokenizer, compile_regex("[^\"]*x[^\"]{5}"), "The", "fox jumps");
}
