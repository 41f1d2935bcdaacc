#include "daemon/engine/match_guess.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace qwend {
namespace {

std::vector<int32_t> drafts(const MatchGuess& guess, const MatchRecords& records, float row_cost) {
    std::vector<int32_t> ids;
    guess.draft(records, row_cost, 0, ids);
    return ids;
}

}  // namespace

TEST_CASE("match guess: longer matches are trusted further, and rows that cost more less") {
    MatchRecords records;
    MatchGuess guess;
    guess.set(10, 40, {1, 2, 3, 4, 5, 6, 7});
    CHECK(guess.is_for(10));
    CHECK_FALSE(guess.is_for(11));
    CHECK(drafts(guess, records, 0.01f).size() == 7);
    const size_t n_dear = drafts(guess, records, 0.5f).size();
    CHECK(n_dear < 7);
    guess.set(10, 3, {1, 2, 3, 4, 5, 6, 7});
    CHECK(drafts(guess, records, 0.5f).size() < n_dear);
}

TEST_CASE("match guess: what it was worth is recorded up to the first wrong one") {
    MatchRecords records;
    const float before = records.rate(3), longer = records.rate(5);
    MatchGuess guess;
    guess.set(2, 3, {7, 8, 9});
    guess.check(std::vector<int32_t>{1, 2, 7}, records);  // one of them is known
    const float after = records.rate(3);
    CHECK(after > before);
    CHECK(records.rate(5) == longer);
    guess.check(std::vector<int32_t>{1, 2, 6, 8, 9}, records);
    CHECK(records.rate(3) < after);
    CHECK(records.rate(5) == longer);  // behind a wrong one nothing is known
}

TEST_CASE("match guess: guesses that are always wrong are made no more") {
    MatchRecords records;
    MatchGuess guess;
    guess.set(1, 10, {7});
    CHECK(drafts(guess, records, 0.05f).size() == 1);
    for (int i = 0; i < 100; ++i) guess.check(std::vector<int32_t>{1, 2}, records);
    CHECK(drafts(guess, records, 0.05f).empty());
}

}  // namespace qwend
