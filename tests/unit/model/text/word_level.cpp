// A vocabulary of whole words.

#include "model/text/word_level.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/error.h"

using namespace qwend;

TEST_CASE("word_level: a word is its token, or the unknown one") {
    const WordLevel words({{"u", 0}, {"ab", 1}, {"\u4e16", 2}, {"a b", 7}, {"ab", 3}}, "u", "test");
    std::vector<int32_t> ids{-7};  // what is there already stays
    for (const char* word : {"ab", "a", "abc", "u", "\u4e16", "\xE4", "a b"})
        words.encode(word, ids);
    words.encode(std::string(1 << 20, 'a'), ids);
    CHECK(ids == std::vector<int32_t>{-7, 3, 0, 0, 0, 2, 0, 7, 0});
}

TEST_CASE("word_level: without an unknown token it is refused") {
    CHECK_THROWS_WITH_AS(WordLevel({{"a", 0}}, "u", "test"),
                         doctest::Contains("test: model: unk_token \"u\" is not in the vocabulary"),
                         LoadError);
    CHECK_THROWS_AS(WordLevel({}, "", "test"), LoadError);
}
