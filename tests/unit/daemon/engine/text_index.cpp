#include "daemon/engine/text_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace qwend {
namespace {

/// The longest match of the last tokens of `text` in the first n of `tokens`, the latest of equals.
TextIndex::Match search(const std::vector<int32_t>& tokens, size_t n,
                        const std::vector<int32_t>& text) {
    TextIndex::Match best;
    for (size_t end = n; end-- > 0;) {
        size_t length = 0;
        while (length < TextIndex::kLongest && length <= end && length < text.size() &&
               tokens[end - length] == text[text.size() - 1 - length])
            ++length;
        if (static_cast<int>(length) > best.length)
            best = {static_cast<int32_t>(end), static_cast<int>(length)};
    }
    return best;
}

}  // namespace

TEST_CASE("text index: finds what a search finds, in the same text and in another") {
    std::mt19937 random(std::random_device{}());
    int n_found = 0;
    for (int turn = 0; turn < 200; ++turn) {
        // So many kinds that no chain is longer than what is tried of it.
        auto some = [&](size_t n) {
            std::vector<int32_t> tokens(n);
            for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 20);
            return tokens;
        };
        TextIndex index;
        std::vector<int32_t> tokens;
        for (int part = 0; part < 4; ++part) {  // it grows
            const auto more = some(1 + random() % 60);
            tokens.insert(tokens.end(), more.begin(), more.end());
            index.extend(tokens);
        }
        if (tokens.size() > 40) {  // it repeats itself
            const std::vector<int32_t> part(tokens.begin() + 5, tokens.begin() + 15);
            tokens.insert(tokens.end(), part.begin(), part.end());
        }
        index.extend(tokens);
        const auto earlier = search(tokens, tokens.size() - 1, tokens);
        CHECK(index.earlier(tokens).end == earlier.end);
        CHECK(index.earlier(tokens).length == earlier.length);
        std::vector<int32_t> text = some(random() % 5);
        const size_t from = random() % tokens.size();
        text.insert(text.end(), tokens.begin() + static_cast<ptrdiff_t>(from),
                    tokens.begin() + static_cast<ptrdiff_t>(std::min(from + 8, tokens.size())));
        const auto found = index.find(tokens, text), expected = search(tokens, tokens.size(), text);
        CHECK(found.end == expected.end);
        CHECK(found.length == expected.length);
        n_found += found.end >= 0;
    }
    CHECK(n_found > 100);
}

TEST_CASE("text index: nothing is found in nothing, nor by less than three tokens") {
    TextIndex index;
    CHECK(index.earlier({}).end == -1);
    const std::vector<int32_t> tokens = {1, 2, 3, 1, 2}, two = {1, 2};
    CHECK(index.find({}, tokens).end == -1);
    index.extend(tokens);
    CHECK(index.find(tokens, two).end == -1);
    CHECK(index.earlier(tokens).end == -1);
}

}  // namespace qwend
