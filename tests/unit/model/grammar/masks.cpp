#include "model/grammar/masks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "model/grammar/common_passages.h"
#include "model/grammar/compile.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/spelling.h"
#include "model/text/tokenizer.h"
#include "tests/unit/model/grammar/random_grammar.h"

using namespace qwend::grammar;

namespace {

struct Tokens {
    std::vector<std::string> texts;
    Vocabulary vocabulary;
    // What all grammars of one test share, as those of a model do.
    std::unique_ptr<CommonPassages> common = std::make_unique<CommonPassages>();

    explicit Tokens(std::vector<std::string> all) : texts(std::move(all)), vocabulary(views()) {}
    std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
    /// Random grammars have lists of nothing between commas, which JSON has not.
    Automaton::Reach reach() const {
        uint32_t n_commas = 0;
        for (const std::string& text : texts)
            n_commas = std::max(n_commas, uint32_t(std::ranges::count(text, ',')));
        return {vocabulary.max_characters(), n_commas + 1};
    }
};

/// Characters cut at any place, twins, some that no text is made of.
Tokens random_tokens(std::mt19937& random) {
    const std::string pieces[] = {"a",    "b",  "\xC3\xA9", "\xF0\x9F\x98\x80",
                                  "\"",   "\\", "\\n",      ",",
                                  "\x80", "}",  "]",        "ab",
                                  "a",    "1",  "u00",      " "};
    std::vector<std::string> texts;
    for (const char* each : {"a", "b", "\"", "\\", "n", ",", "\xC3", "\xA9", "1"})
        texts.emplace_back(each);
    for (int i = 0; i < 300; i++) {
        std::string text;
        for (size_t n = random() % 5; n > 0; n--) text += pieces[random() % std::size(pieces)];
        if (text.size() > 1 && random() % 3 == 0) text = text.substr(random() % 2);
        if (text.size() > 1 && random() % 3 == 0) text.pop_back();
        texts.push_back(std::move(text));
    }
    texts.emplace_back(300, 'a');  // longer than any that is allowed
    return Tokens(std::move(texts));
}

const Tokens& demo_tokens() {
    static const Tokens tokens = [] {
        const auto tokenizer = qwend::Tokenizer::load("tests/demo-model");
        std::vector<std::string> texts;
        for (int32_t id = 0; id < tokenizer.size(); id++)
            texts.emplace_back(tokenizer.is_special(id) ? "" : tokenizer.token_bytes(id));
        return Tokens(std::move(texts));
    }();
    return tokens;
}

/// The twin: each token is read on its own from the state itself.
std::vector<int32_t> allowed(Automaton& automaton, StateId state, const Tokens& tokens) {
    std::vector<int32_t> out;
    for (size_t id = 0; id < tokens.texts.size(); id++) {
        const std::string& text = tokens.texts[id];
        if (text.empty() || text.size() > Vocabulary::kMaxDepth) continue;
        if (automaton.after(state, text) != Automaton::kDead) out.push_back(int32_t(id));
    }
    return out;
}

std::vector<int32_t> in_mask(Masks& masks, StateId state, const Tokens& tokens) {
    std::vector<uint32_t> mask(tokens.vocabulary.n_words(), 0xDEADBEEF);
    masks.fill(state, mask);
    std::vector<int32_t> out;
    for (size_t id = 0; id < mask.size() * 32; id++)
        if (mask[id / 32] >> (id % 32) & 1) out.push_back(int32_t(id));
    return out;
}

/// Along a random text of tokens, of at most so many.
void check_along(Grammar grammar, const Tokens& tokens, std::mt19937& random, int n_tokens) {
    Automaton automaton(grammar, tokens.reach()), twin(std::move(grammar), {});
    Masks masks(automaton, tokens.vocabulary, tokens.common.get());
    StateId state = automaton.start(), twin_state = twin.start();
    std::string text;
    for (int i = 0; i < n_tokens; i++) {
        CAPTURE(text);
        const auto ids = allowed(twin, twin_state, tokens);
        CHECK(in_mask(masks, state, tokens) == ids);
        CHECK(in_mask(masks, state, tokens) == ids);  // as it was kept
        if (ids.empty()) break;
        const std::string& token = tokens.texts[size_t(ids[random() % ids.size()])];
        state = automaton.after(state, token), twin_state = twin.after(twin_state, token);
        text += token;
    }
}

/// A string of JSON of `min` to `max` characters, with more after it.
Grammar counted_string(uint32_t min, uint32_t max, bool several) {
    Grammar grammar;
    Languages& l = grammar.languages;
    Node counted;
    counted.kind = Node::Kind::counted;
    counted.language = l.repeat(any_json_char(l), 0);
    counted.min = min, counted.max = max;
    const NodeId quote = grammar.text(l.literal("\"")), body = grammar.add(counted);
    const NodeId one = grammar.sequence({quote, body, grammar.text(l.literal("\",a\""))});
    grammar.root = one;
    if (several)
        grammar.root = grammar.choice(
            {one, grammar.text(l.sequence({l.literal("\""),
                                           l.repeat(json_char(l, CodePointSet('a', 'z')), 0),
                                           l.literal("\"]")}))});
    grammar.finish();
    return grammar;
}

}  // namespace

TEST_CASE("masks: of random grammars, each token that may come and no other") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 300; round++) {
        const Tokens tokens = random_tokens(random);
        try {
            RandomGrammar grammar(4 + uint32_t(round % 12));
            check_along(std::move(grammar.grammar), tokens, random, 12);
        } catch (const GrammarError&) {
            continue;
        }
    }
}

TEST_CASE("masks: of strings, also near the end of those that are counted") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 40; round++) {
        const Tokens tokens = random_tokens(random);
        const auto min = uint32_t(random() % 10);
        const uint32_t max = random() % 4 ? min + uint32_t(random() % 30) : kUnbounded;
        check_along(counted_string(min, max, random() % 2), tokens, random, 30);
        check_along(counted_string(min, max, random() % 2), demo_tokens(), random, 8);
    }
}

TEST_CASE("masks: of patterns and words, with the tokens of a model") {
    std::mt19937 random(std::random_device{}());
    for (const char* pattern : {"[a-z0-9-]+",
                                "\"[^\"\\\\]*\"",
                                "(the|a) [a-z ]+\\.",
                                ".*",
                                "\\p{L}+( \\p{L}+)*",
                                "[^x]{3,200}",
                                "(?!.*foo).*",
                                "([^\\u1028\\u2028])*",
                                "[^\\u2029\\u20AC]*",
                                "\xC3\xA9*[\\u0080-\\u{10FFFF}]*",
                                "[a-z]{2,7}",
                                "[a-zA-Z0-9]{3}-.*",
                                ".{2,5}(x|y.*)?",
                                "[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?(\\.[a-z]{2,4})*",
                                "[^ ]+@[a-z]+\\.[a-z]{2,}",
                                "[^\"]*b[^\"]{5}",
                                "(.*foo.*|[0-9]+)",
                                "[a-z]{1,5}|[^a-z].*",
                                "[A-Z][a-z]{1,4}",
                                "[^a]*|[ab]{4,6}"}) {
        CAPTURE(pattern);
        for (int round = 0; round < 3; round++) {
            check_along(compile_regex(pattern), demo_tokens(), random, 6);
            check_along(compile_regex(pattern), random_tokens(random), random, 20);
        }
    }
    check_along(compile_choice({"the", "then", "no", "\xC3\xA9t\xC3\xA9"}), demo_tokens(), random,
                5);
}

TEST_CASE("masks: of what is counted, with letters that may come behind it") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 40; round++) {
        Grammar grammar;
        Languages& l = grammar.languages;
        Node counted;
        counted.kind = Node::Kind::counted;
        counted.language =
            l.repeat(random() % 2 ? any_json_char(l) : json_char(l, CodePointSet('a', 'm')), 0);
        counted.min = uint32_t(random() % 4), counted.max = counted.min + uint32_t(random() % 5);
        const NodeId body = grammar.add(counted);
        const LanguageId first = l.either({l.literal(","), l.literal("b"), l.literal("\"")});
        const LanguageId letters =
            l.repeat(random() % 2 ? json_char(l, CodePointSet('a', 'z')) : any_json_char(l), 0);
        grammar.root = grammar.sequence({body, grammar.text(l.sequence(first, letters))});
        grammar.finish();
        check_along(grammar, demo_tokens(), random, 6);
        check_along(grammar, random_tokens(random), random, 20);

        // Tokens that go on with many characters after an escape.
        Automaton automaton(grammar, demo_tokens().reach()), twin(grammar, {});
        Masks masks(automaton, demo_tokens().vocabulary);
        for (const char* text : {"\\", "\\n\\", "a\\"}) {
            const StateId state = automaton.after(automaton.start(), text);
            CHECK(in_mask(masks, state, demo_tokens()) ==
                  allowed(twin, twin.after(twin.start(), text), demo_tokens()));
        }
    }
}

TEST_CASE("masks: what is too long after an escape may be what comes behind it") {
    std::vector<std::string> texts{"\\", "r", "e", "b", "re"};
    for (char c = 'a'; c <= 'z'; c++) texts.push_back(std::string("reb") + c);
    const Tokens tokens(std::move(texts));
    Grammar grammar;
    Languages& l = grammar.languages;
    Node counted;
    counted.kind = Node::Kind::counted;
    counted.language = l.repeat(any_json_char(l), 0);
    counted.max = 2;
    const NodeId body = grammar.add(counted);
    grammar.root = grammar.sequence(
        {body, grammar.text(l.sequence(l.literal("b"), l.repeat(any_json_char(l), 0)))});
    grammar.finish();
    Automaton automaton(grammar, tokens.reach()), twin(grammar, {});
    Masks masks(automaton, tokens.vocabulary);
    const auto ids = in_mask(masks, automaton.after(automaton.start(), "\\"), tokens);
    CHECK(ids == allowed(twin, twin.after(twin.start(), "\\"), tokens));
    CHECK(ids.size() == 30);  // all but those that are no escape
}

TEST_CASE("masks: a word may be longer within a token than any token that is one") {
    const Tokens tokens({"a", "-", "ab", "-aaa", "-aaaaaaaaaaaa"});
    std::mt19937 random(std::random_device{}());
    check_along(compile_regex("-[a-z]{2,6}"), tokens, random, 5);
}

TEST_CASE("masks: within an escape, and after one") {
    std::mt19937 random(std::random_device{}());
    const std::string schema =
        R"({"type":"object","additionalProperties":{"type":"string","maxLength":9},
"properties":{"name":{"type":"string"},"names":{"type":"string","maxLength":5}}})";
    Automaton automaton(compile_schema(schema, {}), demo_tokens().reach());
    Automaton twin(compile_schema(schema, {}), {});
    Masks masks(automaton, demo_tokens().vocabulary);
    for (const char* text :
         {"{", "{\"", "{\"n", "{\"name", "{\"names", "{\"nam\\", "{\"\\", "{\"x\\u00",
          "{\"name\":\"\\", "{\"name\":\"\\u", "{\"names\":\"\\", "{\"names\":\"abc\\",
          "{\"names\":\"abcd\\", "{\"names\":\"abcd\\n", "{\"other\":\"ab\\", "{\"x\":\"\xC3",
          "{\"names\":\"a\",\"name", "{\"names\":\"a\",\"names", "{\"names\":\"a\",\"na"}) {
        CAPTURE(text);
        const StateId state = automaton.after(automaton.start(), text);
        const StateId twin_state = twin.after(twin.start(), text);
        REQUIRE(twin_state != Automaton::kDead);
        CHECK(in_mask(masks, state, demo_tokens()) == allowed(twin, twin_state, demo_tokens()));
    }
}

TEST_CASE("masks: of typical schemas, whatever was prepared") {
    std::mt19937 random(std::random_device{}());
    for (const char* schema :
         {R"({"type":"object","properties":{"a":{"type":"string","maxLength":6},
"b":{"type":"array","items":{"type":"string","minLength":2,"maxLength":4}}}})",
          R"({"type":"string","format":"email"})", R"({"type":"string","format":"hostname"})",
          R"({"type":"string","pattern":"^[A-Z]{2}-\\d{4}$"})", "{}",
          R"({"enum":["one","two",{"a":[1]},"on"]})", R"({"type":"integer","minimum":-7})",
          R"({"type":"string","pattern":"foo","maxLength":8})"}) {
        CAPTURE(schema);
        for (int round = 0; round < 4; round++)
            check_along(compile_schema(schema, {}), demo_tokens(), random, 8);
        Automaton automaton(compile_schema(schema, {}), demo_tokens().reach());
        Masks prepared(automaton, demo_tokens().vocabulary);
        prepared.prepare();
        Automaton twin(compile_schema(schema, {}), {});
        CHECK(in_mask(prepared, automaton.start(), demo_tokens()) ==
              allowed(twin, twin.start(), demo_tokens()));
    }
}

TEST_CASE("masks: a token that begins within a character may hold more of them than it shows") {
    const Tokens tokens({"\xC3", "\xA9" + std::string(20, 'a'), "a", "\""});
    CHECK(tokens.vocabulary.max_characters() == 21);
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 20; round++)
        check_along(counted_string(0, 40, false), tokens, random, 30);
}
