// The longest token first, against a twin that tries every length; and words that are unknown.

#include "model/text/word_piece.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/error.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;
using Vocabulary = std::vector<std::pair<std::string_view, int32_t>>;

constexpr size_t kAny = SIZE_MAX;

Ids encode(const WordPiece& pieces, std::string_view word) {
    Ids ids{-7};  // what is there already stays
    pieces.encode(word, ids);
    CHECK(ids[0] == -7);
    ids.erase(ids.begin());
    return ids;
}

/// By the definition, for words of ASCII.
Ids expected(const std::map<std::string, int32_t>& vocabulary, const std::string& prefix,
             size_t most, const std::string& word) {
    const Ids unknown{vocabulary.at("u")};
    if (word.size() > most) return unknown;
    Ids ids;
    for (size_t at = 0; at < word.size();) {
        size_t n = word.size() - at;
        const auto token = [&] { return (at > 0 ? prefix : "") + word.substr(at, n); };
        while (n > 0 && !vocabulary.contains(token())) n--;
        if (n == 0) return unknown;
        ids.push_back(vocabulary.at(token()));
        at += n;
    }
    return ids;
}

}  // namespace

TEST_CASE("word_piece: every part is the longest token there is") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 200; round++) {
        const auto letters = [&](size_t most) {
            std::string text;
            for (size_t n = random() % (most + 1); n > 0; n--) text += char('a' + random() % 3);
            return text;
        };
        const std::string prefix = std::vector<std::string>{"##", "", "a", "ab"}[random() % 4];
        std::map<std::string, int32_t> vocabulary = {{"u", 0}, {"a", 1}, {prefix + "b", 2}};
        for (size_t n = random() % 40; n > 0; n--)
            vocabulary.emplace((random() % 3 ? prefix : "") + letters(4),
                               int32_t(vocabulary.size()));
        const Vocabulary vocab(vocabulary.begin(), vocabulary.end());
        const size_t most = random() % 3 ? kAny : random() % 20;
        const WordPiece pieces(vocab, "u", prefix, most, "test");
        for (int i = 0; i < 50; i++) {
            const std::string word = letters(16);
            CAPTURE(word);
            CAPTURE(prefix);
            CHECK(encode(pieces, word) == expected(vocabulary, prefix, most, word));
        }
    }
}

TEST_CASE("word_piece: a word that is not all tokens, or is too long, is one unknown token") {
    const Vocabulary vocab = {{"[UNK]", 5},  {"un", 1},       {"##aff", 2}, {"##able", 3},
                              {"\u00e9", 4}, {"##\u00e9", 6}, {"##", 7},    {"", 8}};
    const WordPiece pieces(vocab, "[UNK]", "##", 3, "test"),
        any(vocab, "[UNK]", "##", kAny, "test");
    CHECK(encode(any, "unaffable") == Ids{1, 2, 3});
    CHECK(encode(any, "unaffably") == Ids{5});
    CHECK(encode(any, "affable") == Ids{5});
    CHECK(encode(any, "un##able") == Ids{5});
    CHECK(encode(any, "").empty());
    CHECK(encode(pieces, "unaffable") == Ids{5});
    CHECK(encode(pieces, "\u00e9\u00e9\u00e9") == Ids{4, 6, 6});  // characters, not bytes
    CHECK(encode(pieces, "\u00e9\u00e9\u00e9\u00e9") == Ids{5});
    CHECK(encode(any, "\u00e9\xC3") == Ids{5});
    CHECK(encode({vocab, "[UNK]", "##", 0, "test"}, "un") == Ids{5});
    CHECK(encode({vocab, "[UNK]", "@@", kAny, "test"}, "un\u00e9") == Ids{5});
    CHECK(encode(any, "un" + std::string(1 << 20, 'x')) == Ids{5});
}

TEST_CASE("word_piece: without an unknown token it is refused") {
    for (const char* unknown : {"u", "", "##"})
        CHECK_THROWS_WITH_AS(WordPiece({{"a", 0}, {"##b", 1}}, unknown, "##", 100, "test"),
                             doctest::Contains("is not in the vocabulary"), LoadError);
}
