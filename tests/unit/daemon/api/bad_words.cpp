// Words that an answer may not have: their ids, and the masks that keep them away.

#include "daemon/api/bad_words.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "model/sampling.h"
#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;

constexpr int kVocab = 70;

BannedWords banned(std::vector<std::string> words) {
    return banned_words(demo().tokenizer, words);
}

bool has(const BannedWords& words, const Ids& ids) {
    if (ids.size() == 1) return std::ranges::count(words.tokens, ids[0]) == 1;
    return std::ranges::count(words.sequences, ids) == 1;
}

Ids banned_by(std::span<const uint32_t> mask) {
    Ids ids;
    for (int32_t id = 0; id < kVocab; id++)
        if (!(mask[size_t(id) / 32] >> (id % 32) & 1)) ids.push_back(id);
    return ids;
}

Constraint ban_of(BannedSequences sequences) {
    return ban(std::make_shared<BannedSequences>(std::move(sequences)), kVocab);
}

/// What may not come after the drafts, of which there may be none.
std::vector<Ids> fill(const Constraint& constraint, const Ids& drafts = {}) {
    std::vector<VocabularyMask> masks(1 + drafts.size());
    constraint.find_masks(drafts, masks);
    std::vector<Ids> found;
    for (const VocabularyMask& mask : masks)
        found.push_back(banned_by(std::span(mask.words, mask_words(kVocab))));
    return found;
}

}  // namespace

TEST_CASE("bad_words: a word is banned as it begins a text and as it goes on with one") {
    REQUIRE(ids_of("the").size() == 1);
    REQUIRE(ids_of(" the").size() == 1);
    const BannedWords words = banned({"the", " zqxj the", "<|im_end|>", "<tool_call>"});
    CHECK(has(words, ids_of("the")));
    CHECK(has(words, ids_of(" the")));
    CHECK(has(words, {6060}));  // as it is, and behind a space
    CHECK(has(words, ids_of("<tool_call>")));
    CHECK(words.tokens.size() == 4);
    CHECK(words.sequences.empty());  // what has a banned token in it never comes

    const BannedWords rare = banned({"zqxj", "  zqxj"});
    REQUIRE(ids_of("zqxj").size() > 1);
    CHECK(has(rare, ids_of("zqxj")));
    CHECK(rare.tokens.empty());
    const Ids behind = ids_of(" zqxj");
    CHECK(rare.sequences.size() <= 2);
    const bool ends_the_same = behind.size() > ids_of("zqxj").size();
    CHECK(has(rare, behind) != ends_the_same);
}

TEST_CASE("bad_words: the last id is banned where the output ends with those before it") {
    const Constraint constraint = ban_of({{1, 2, 3}, {2, 4}, {69, 69}, {5, 6}});
    CHECK(fill(constraint)[0].empty());
    constraint.accept(1);
    CHECK(fill(constraint)[0].empty());
    constraint.accept(2);
    CHECK(fill(constraint)[0] == Ids{3, 4});
    CHECK(fill(constraint)[0] == Ids{3, 4});
    constraint.accept(69);
    CHECK(fill(constraint)[0] == Ids{69});
    constraint.accept(0);
    CHECK(fill(constraint)[0].empty());
}

TEST_CASE("bad_words: drafts are judged as if they were output, and are forgotten") {
    const Constraint constraint = ban_of({{1, 2, 3}, {2, 4}});
    constraint.accept(1);
    CHECK(fill(constraint, {2, 7, 2}) == std::vector<Ids>{{}, {3, 4}, {}, {4}});
    CHECK(fill(constraint)[0].empty());
    constraint.accept(2);
    CHECK(fill(constraint)[0] == Ids{3, 4});
}

TEST_CASE("bad_words: however long the output, it is as if all of it were looked at") {
    std::mt19937 random(5);
    BannedSequences sequences;
    for (int i = 0; i < 12; i++) {
        Ids& ids = sequences.emplace_back(2 + random() % 5);
        for (int32_t& id : ids) id = int32_t(random() % 3);
    }
    const Constraint constraint = ban_of(sequences);
    Ids output;
    for (int step = 0; step < 500; step++) {
        Ids expected;
        for (int32_t next = 0; next < 3; next++) {
            output.push_back(next);
            for (const Ids& ids : sequences)
                if (ids.size() <= output.size() &&
                    std::equal(ids.rbegin(), ids.rend(), output.rbegin())) {
                    expected.push_back(next);
                    break;
                }
            output.pop_back();
        }
        CHECK(fill(constraint)[0] == expected);
        output.push_back(int32_t(random() % 3));
        constraint.accept(output.back());
    }
}
