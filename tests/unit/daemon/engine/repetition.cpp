// Guesses from what a text repeats, against a search without an index.

#include "daemon/engine/repetition.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace qwend {
namespace {

constexpr int kMost = 7;

std::vector<int32_t> drafts(Repetition& repetition, const std::vector<int32_t>& tokens,
                            int n_most = kMost, float waiting = 0) {
    std::vector<int32_t> drafts;
    repetition.draft({tokens, n_most, waiting}, drafts);
    return drafts;
}

/// What follows the longest earlier occurrence of the text's end, the latest of equals; of those
/// that share its last three tokens the sixteen latest are looked at.
std::vector<int32_t> expected_guess(const std::vector<int32_t>& tokens) {
    const size_t n = tokens.size();
    size_t best = 0, best_length = 2;
    int n_tried = 0;
    for (size_t end = n - 1; end-- > 2 && n_tried < 16;) {
        size_t length = 0;
        while (length < 64 && length <= end && tokens[end - length] == tokens[n - 1 - length])
            ++length;
        if (length < 3) continue;
        ++n_tried;
        if (length > best_length) best = end, best_length = length;
        if (best_length == 64) break;
    }
    std::vector<int32_t> text = tokens;
    for (size_t i = 0; i < kMost && best_length > 2; ++i) text.push_back(text[best + 1 + i]);
    return {text.begin() + static_cast<ptrdiff_t>(n), text.end()};
}

}  // namespace

TEST_CASE("repetition: a text goes on as it did where its end occurred before") {
    std::mt19937 random(std::random_device{}());
    int n_guesses = 0;
    for (int turn = 0; turn < 200; ++turn) {
        Repetition repetition(0, kMost);
        const unsigned n_kinds = 1 + random() % 6;
        std::vector<int32_t> tokens;
        while (tokens.size() < 300) {
            for (size_t i = 0, n = 1 + random() % 9; i < n; ++i)
                tokens.push_back(static_cast<int32_t>(random() % n_kinds));
            if (random() % 3 == 0 && tokens.size() > 20)  // quotes itself
                for (size_t from = random() % (tokens.size() - 20), i = 0; i < 20; ++i)
                    tokens.push_back(int32_t{tokens[from + i]});
            const auto expected = expected_guess(tokens);
            const auto found = drafts(repetition, tokens);
            // How many are worth a row depends on how it went so far.
            REQUIRE(found.size() <= expected.size());
            REQUIRE(std::vector(expected.begin(), expected.begin() + found.size()) == found);
            CHECK(drafts(repetition, tokens, 2).size() == found.size());  // the caller's to cut
            n_guesses += static_cast<int>(found.size());
        }
    }
    CHECK(n_guesses > 10'000);
}

TEST_CASE("repetition: a text that is periodic is guessed beyond its end") {
    Repetition repetition(0.02f, kMost);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 40; ++i) tokens.push_back(100 + i % 3);
    CHECK(drafts(repetition, tokens) == std::vector<int32_t>{101, 102, 100, 101, 102, 100, 101});
}

TEST_CASE("repetition: nothing is guessed where nothing occurred before") {
    Repetition repetition(0.02f, kMost);
    std::vector<int32_t> tokens;
    CHECK(drafts(repetition, {}).empty());
    for (int i = 0; i < 300; ++i) {
        tokens.push_back(i);
        CHECK(drafts(repetition, tokens).empty());
    }
}

TEST_CASE("repetition: what is mostly wrong is soon not guessed, and again when it is right") {
    std::mt19937 random(1);
    Repetition repetition(0.05f, kMost);
    std::vector<int32_t> tokens;
    auto n_drafts_of = [&](int n_turns, auto next) {
        size_t n = 0;
        for (int i = 0; i < n_turns; ++i) {
            for (int32_t id : {1, 2, 3}) tokens.push_back(id);
            n += drafts(repetition, tokens, kMost, 0.1f).size();
            tokens.push_back(next(i));
            drafts(repetition, tokens);
        }
        return n;
    };
    const auto never_again = [](int i) { return 1000 + i; };
    n_drafts_of(20, never_again);
    CHECK(n_drafts_of(100, never_again) == 0);
    n_drafts_of(20, [](int) { return 7; });
    CHECK(n_drafts_of(100, [](int) { return 7; }) > 300);
}

}  // namespace qwend
