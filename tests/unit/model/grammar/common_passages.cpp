#include "model/grammar/common_passages.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "model/grammar/automaton.h"
#include "model/grammar/masks.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/vocabulary.h"

using namespace qwend::grammar;

TEST_CASE("common_passages: what is added first is kept, and stays where it is") {
    CommonPassages common;
    const PassageKey key{Automaton::Way::Kind::text, false, 7, 0, nullptr};
    PassageKey other = key;
    other.is_last = true;
    CHECK(common.find(key) == nullptr);
    Passage wide;
    wide.own = {1, 2};
    const Passage* kept = common.add(key, std::move(wide));
    REQUIRE(kept);
    CHECK(kept->wide == &kept->own);
    CHECK(common.add(key, Passage()) == kept);
    for (uint32_t language = 100; language < 1000; language++) {
        PassageKey more = key;
        more.language = language;
        common.add(more, Passage());
    }
    CHECK(common.find(key) == kept);
    CHECK(kept->own == Vocabulary::Bits{1, 2});
    CHECK(common.find(other) == nullptr);
}

TEST_CASE("common_passages: there is a bound on them") {
    CommonPassages common;
    PassageKey key{Automaton::Way::Kind::text, false, 0, 0, nullptr};
    size_t n = 0;
    for (; n < 1000; n++, key.language++) {
        Passage large;
        large.own.resize(1 << 18);  // a megabyte
        if (!common.add(key, std::move(large))) break;
    }
    CHECK(n > 10);
    CHECK(n < 100);
    key.language = 0;
    CHECK(common.find(key));
}

TEST_CASE("common_passages: a second form has the masks of one that is alone") {
    const std::vector<std::string_view> tokens{"a",  "b", "\"", "\\", "n",   "ab",   "a\"",  "\",",
                                               ", ", ":", "{",  "}",  "{\"", "\xC3", "\xA9", "1"};
    const Vocabulary vocabulary(tokens);
    CommonPassages common;
    for (const char* schema :
         {R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"]})",
          R"({"type":"object","properties":{"b":{"type":"string"},"n":{"type":"integer"}}})"}) {
        Automaton shared(compile_schema(schema, {}), {}), alone(compile_schema(schema, {}), {});
        Masks with(shared, vocabulary, &common), without(alone, vocabulary);
        with.prepare();
        StateId at = shared.start(), twin = alone.start();
        std::vector<uint32_t> mask(vocabulary.n_words()), expected(vocabulary.n_words());
        for (const char byte :
             std::string_view(schema[33] == 'a' ? R"({"a":"ab\n)" : R"({"b":"x\n", "n": 1)")) {
            with.fill(at, mask);
            without.fill(twin, expected);
            CHECK(mask == expected);
            at = shared.after(at, uint8_t(byte)), twin = alone.after(twin, uint8_t(byte));
        }
    }
}
