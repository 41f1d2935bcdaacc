// The best row of pieces against all rows there are, and what is no piece.

#include "model/text/unigram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
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
using Pieces = std::vector<std::pair<std::string_view, double>>;

Ids encode(const Unigram& unigram, std::string_view word) {
    Ids ids{-7};  // what is there already stays
    unigram.encode(word, ids);
    CHECK(ids[0] == -7);
    ids.erase(ids.begin());
    return ids;
}

/// The best sum of scores, by trying every first piece.
double best_sum(const std::map<std::string, double>& scores, const std::string& word) {
    if (word.empty()) return 0;
    double best = -1e9;
    for (size_t n = 1; n <= word.size(); n++)
        if (const auto found = scores.find(word.substr(0, n)); found != scores.end())
            best = std::max(best, found->second + best_sum(scores, word.substr(n)));
    return best;
}

}  // namespace

TEST_CASE("unigram: no row of pieces has a higher sum") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 50; round++) {
        std::map<std::string, double> scores = {{"a", -3.0}, {"b", -4.0}};
        for (int n = int(random() % 12); n > 0; n--) {
            std::string piece;
            for (int i = 2 + int(random() % 4); i > 0; i--) piece += char('a' + random() % 2);
            scores[piece] = -double(random() % 1000) / 100;
        }
        Pieces pieces = {{"<unk>", 0.0}};
        for (const auto& [piece, score] : scores) pieces.emplace_back(piece, score);
        const Unigram unigram(pieces, 0, false, "test");
        for (int i = 0; i < 20; i++) {
            std::string word, joined;
            for (int n = 1 + int(random() % 14); n > 0; n--) word += char('a' + random() % 2);
            CAPTURE(word);
            double sum = 0;
            for (const int32_t id : encode(unigram, word)) {
                joined += pieces[size_t(id)].first;
                sum += pieces[size_t(id)].second;
            }
            CHECK(joined == word);
            CHECK(std::abs(sum - best_sum(scores, word)) < 1e-9);
        }
    }
}

TEST_CASE("unigram: a row of what no piece has is one unknown, or its bytes") {
    Pieces pieces = {
        {"<unk>", 0.0}, {"a", -1.0}, {"\u4e16", -2.0}, {"<0x62>", -9.0}, {"<0x63>", -9.0}};
    CHECK(encode({pieces, 0, false, "test"}, "abcba\u4e16\u754c") == Ids{1, 0, 1, 2, 0});
    const Unigram bytes(pieces, 0, true, "test");
    CHECK(encode(bytes, "abcba") == Ids{1, 3, 4, 3, 1});
    CHECK(encode(bytes, "abcdba") == Ids{1, 0, 1});  // not all of the row have one
    CHECK(encode(bytes, "<unk>") == Ids{0});
    CHECK(encode({pieces, std::nullopt, false, "test"}, "abca") == Ids{1, 1});
    CHECK(encode(bytes, "").empty());
    CHECK(encode(bytes, "\xE4\xB8") == Ids{0});
}

TEST_CASE("unigram: what is no model is refused") {
    for (const int32_t unknown : {-1, 1, 7})
        CHECK_THROWS_WITH_AS(Unigram({{"a", 0.0}}, unknown, false, "test"),
                             doctest::Contains("unk_id"), LoadError);
    CHECK_THROWS_WITH_AS(Unigram({}, std::nullopt, false, "test"), doctest::Contains("pieces"),
                         LoadError);
}
