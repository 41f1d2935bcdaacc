// Guesses from what others generated, against a search without an index.

#include "daemon/engine/recent_texts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace qwend {
namespace {

constexpr int kMost = 7;

std::vector<int32_t> drafts(const Drafter& drafter, const std::vector<int32_t>& tokens) {
    std::vector<int32_t> ids;
    drafter.draft({tokens, kMost, 0}, ids);
    return ids;
}

std::vector<int32_t> random_text(std::mt19937& random, size_t n, unsigned n_kinds) {
    std::vector<int32_t> tokens(n);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % n_kinds);
    return tokens;
}

/// How many tokens before `end` in `other`, that one included, are the last of `text`.
int common(const std::vector<int32_t>& other, size_t end, const std::vector<int32_t>& text) {
    int n = 0;
    while (n < 64 && static_cast<size_t>(n) <= end && static_cast<size_t>(n) < text.size() &&
           other[end - n] == text[text.size() - 1 - n])
        ++n;
    return n;
}

}  // namespace

TEST_CASE("recent texts: a guess continues a longest match in one of them, and ends with it") {
    std::mt19937 random(std::random_device{}());
    int n_guesses = 0;
    for (int turn = 0; turn < 100; ++turn) {
        RecentTexts recent(0);
        std::vector<std::vector<int32_t>> others;
        for (int i = 0; i < 5; ++i) {
            others.push_back(random_text(random, 3 + random() % 60, 4));
            recent.add("", others.back(), 0);
        }
        const Drafter drafter = recent.drafter("", kMost);
        const auto text = random_text(random, 3 + random() % 20, 4);
        int longest = 0;
        for (const auto& other : others)
            for (size_t end = 0; end < other.size(); ++end)
                longest = std::max(longest, common(other, end, text));
        const auto found = drafts(drafter, text);
        if (longest < 3) CHECK(found.empty());
        if (found.empty()) continue;  // the longest match may end its text
        ++n_guesses;
        const bool is_one = std::ranges::any_of(others, [&](const auto& other) {
            for (size_t end = 0; end + 1 < other.size(); ++end) {
                const std::vector<int32_t> next(
                    other.begin() + static_cast<ptrdiff_t>(end) + 1,
                    other.begin() +
                        static_cast<ptrdiff_t>(std::min(other.size(), end + 1 + kMost)));
                if (next == found && common(other, end, text) == longest) return true;
            }
            return false;
        });
        CHECK(is_one);
    }
    CHECK(n_guesses > 0);
}

TEST_CASE("recent texts: salts do not see each other, and the last sixteen are kept") {
    RecentTexts recent(0);
    const std::vector<int32_t> text = {1, 2, 3, 4, 5, 6, 7, 8};
    recent.add("mine", text, 0);
    CHECK(drafts(recent.drafter("mine", kMost), {1, 2, 3, 4}) == std::vector<int32_t>{5, 6, 7, 8});
    CHECK(drafts(recent.drafter("other", kMost), {1, 2, 3, 4}).empty());
    CHECK(drafts(recent.drafter("", kMost), {1, 2, 3, 4}).empty());
    for (int i = 0; i < 16; ++i) recent.add("salt " + std::to_string(i), text, 0);
    CHECK(drafts(recent.drafter("mine", kMost), {1, 2, 3, 4}).empty());
    CHECK(!drafts(recent.drafter("salt 15", kMost), {1, 2, 3, 4}).empty());
}

TEST_CASE("recent texts: of a prompt the end is kept, by which the first tokens are found") {
    RecentTexts recent(0);
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 100; ++i) tokens.push_back(i);
    recent.add("", tokens, 90);
    const auto guess = [&](const std::vector<int32_t>& text) {
        return drafts(recent.drafter("", kMost), text);
    };
    CHECK(guess({87, 88, 89}) == std::vector<int32_t>{90, 91, 92, 93, 94, 95, 96});
    CHECK(guess({50, 51, 52}).empty());
    recent.add("", tokens, 99);  // too little was generated
    CHECK(guess({87, 88, 89}).size() == kMost);
}

TEST_CASE("recent texts: old ones make room, and a drafter may outlive its salt") {
    std::mt19937 random(std::random_device{}());
    RecentTexts recent(0);
    const std::vector<int32_t> first = {1, 2, 3, 4, 5, 6};
    recent.add("", first, 0);
    const Drafter drafter = recent.drafter("", kMost);
    for (int i = 0; i < 5; ++i) {
        auto text = random_text(random, 60'000, 1'000'000);
        for (int32_t& token : text) token += 100;
        recent.add("", text, 0);
    }
    CHECK(drafts(drafter, {1, 2, 3}).empty());
    const auto longest = random_text(random, 500'000, 1'000'000);  // longer than what is kept
    recent.add("", longest, 0);
    const std::vector<int32_t> near_end(longest.end() - 20, longest.end() - 10);
    CHECK(drafts(drafter, near_end) ==
          std::vector<int32_t>(longest.end() - 10, longest.end() - 10 + kMost));
    for (int i = 0; i < 20; ++i) recent.add(std::to_string(i), first, 0);
    CHECK(drafts(drafter, {longest.end() - 20, longest.end() - 11}).empty());
}

}  // namespace qwend
