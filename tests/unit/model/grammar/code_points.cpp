#include "model/grammar/code_points.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace qwend::grammar;

namespace {

/// The slow twin: a bit for each of the first code points.
std::vector<bool> bits_of(const CodePointSet& set, uint32_t n) {
    std::vector<bool> bits(n);
    for (uint32_t c = 0; c < n; c++) bits[c] = set.contains(c);
    return bits;
}

}  // namespace

TEST_CASE("code_points: sets are what their members say") {
    std::mt19937 random(std::random_device{}());
    auto below = [&](uint32_t n) { return uint32_t(random() % n); };
    constexpr uint32_t kMost = 64;
    for (int round = 0; round < 300; round++) {
        CodePointSet sets[2];
        std::vector<bool> bits[2];
        for (int i = 0; i < 2; i++) {
            bits[i].resize(kMost);
            for (uint32_t n = below(8); n > 0; n--) {
                const uint32_t first = below(kMost), last = first + below(6);
                sets[i].add(first, last);
                for (uint32_t c = first; c <= last && c < kMost; c++) bits[i][c] = true;
            }
            CHECK(bits_of(sets[i], kMost) == bits[i]);
            for (size_t r = 1; r < sets[i].ranges().size(); r++)
                CHECK(sets[i].ranges()[r].first > sets[i].ranges()[r - 1].last + 1);
        }
        CodePointSet both = sets[0];
        both.add(sets[1]);
        const auto united = bits_of(both, kMost),
                   met = bits_of(sets[0].intersection(sets[1]), kMost),
                   others = bits_of(sets[0].complement(), kMost);
        for (uint32_t c = 0; c < kMost; c++) {
            CHECK(united[c] == (bits[0][c] || bits[1][c]));
            CHECK(met[c] == (bits[0][c] && bits[1][c]));
            CHECK(others[c] == !bits[0][c]);
        }
        CHECK(sets[0].complement().complement() == sets[0]);
    }
}

TEST_CASE("code_points: surrogates are in no set") {
    const CodePointSet all = CodePointSet::all();
    CHECK(all.ranges() == std::vector<CodePointRange>{{0, 0xD7FF}, {0xE000, 0x10FFFF}});
    CHECK(all.complement().empty());
    CHECK(CodePointSet().complement() == all);
    CHECK_FALSE(all.contains(0xD800));
    CHECK(all.contains(0x10FFFF));
    CHECK(CodePointSet(0xDC00).empty());
    CHECK(CodePointSet(3, 2).empty());
    CodePointSet beyond(0x10FFFF, 0xFFFFFFFF);
    CHECK(beyond == CodePointSet(0x10FFFF));
}
