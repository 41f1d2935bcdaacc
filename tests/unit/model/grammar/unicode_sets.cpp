#include "model/grammar/unicode_sets.h"

#include <doctest/doctest.h>

using namespace qwend::grammar;

TEST_CASE("unicode_sets: categories by both of their names") {
    CHECK(general_category("Lu")->set.contains('A'));
    CHECK(general_category("Lu") == general_category("Uppercase_Letter"));
    CHECK_FALSE(general_category("Lu")->set.contains('a'));
    CHECK(general_category("Lu")->complement.contains('a'));
    CHECK(general_category("L")->set.contains(U'漢'));
    CHECK(general_category("LC")->set.contains(0x1C5));
    CHECK(general_category("Cs")->set.empty());
    for (const char* name : {"", "lu", "l", "Han", "Lu "}) CHECK(general_category(name) == nullptr);
}

TEST_CASE("unicode_sets: each code point is in one group") {
    CodePointSet all;
    for (const char* name : {"L", "M", "N", "P", "S", "Z", "C"}) {
        const NamedSet& group = *general_category(name);
        CHECK(all.intersection(group.set).empty());
        CHECK(group.set.complement() == group.complement);
        all.add(group.set);
    }
    CHECK(all == CodePointSet::all());
}

TEST_CASE("unicode_sets: a set of ranges in any order") {
    CHECK(set_of({}).empty());
    CHECK(set_of({{5, 6}, {1, 2}, {3, 3}, {9, 9}, {6, 7}, {4, 3}}).ranges() ==
          std::vector<CodePointRange>{{1, 3}, {5, 7}, {9, 9}});
    CHECK(set_of({{0, kMaxCodePoint}, {0xD800, 0xDFFF}}) == CodePointSet::all());
}

TEST_CASE("unicode_sets: what differs in case alone") {
    size_t steps = 0;
    auto variants = [&](uint32_t c) { return with_case_variants(CodePointSet(c), steps); };
    CHECK(variants('1') == CodePointSet('1'));
    CHECK(steps == 0);
    CHECK(variants('a') == set_of({{'a', 'a'}, {'A', 'A'}}));
    CHECK(variants('s') == set_of({{'s', 's'}, {'S', 'S'}, {0x17F, 0x17F}}));
    CHECK(variants(0x1F80) == set_of({{0x1F80, 0x1F80}, {0x1F88, 0x1F88}}));
    CHECK(steps == 4);
    CHECK(with_case_variants(CodePointSet::all(), steps) == CodePointSet::all());
    CHECK(steps < 4'000);
    // Once all variants are there, no more come.
    const CodePointSet once = with_case_variants(general_category("Lu")->set, steps);
    CHECK(with_case_variants(once, steps) == once);
}
