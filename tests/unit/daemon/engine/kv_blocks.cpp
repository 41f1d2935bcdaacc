#include "daemon/engine/kv_blocks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace qwend {
namespace {

std::vector<int32_t> ids(int n, int first = 0) {
    std::vector<int32_t> tokens(n);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
}

/// A table whose blocks hold all of `tokens`, published.
BlockTable compute(KvBlocks& blocks, const std::vector<int32_t>& tokens,
                   std::string_view salt = "") {
    BlockTable table;
    blocks.adopt(table, blocks.find_prefix(tokens, salt));
    REQUIRE(blocks.grow(table, blocks.blocks_for(static_cast<int64_t>(tokens.size()))));
    blocks.publish(table, tokens, salt);
    return table;
}

}  // namespace

TEST_CASE("kv_blocks: growing takes free blocks, and all or none") {
    KvBlocks blocks(4, 16, true);
    BlockTable a, b;
    CHECK(blocks.grow(a, 3));
    CHECK(blocks.n_free() == 1);
    CHECK_FALSE(blocks.grow(b, 2));
    CHECK(b.blocks.empty());
    CHECK(blocks.n_free() == 1);
    CHECK(blocks.grow(a, 2));  // has more already
    CHECK(a.blocks.size() == 3);
    blocks.release(a);
    CHECK(a.blocks.empty());
    CHECK(blocks.n_free() == 4);
}

TEST_CASE("kv_blocks: shrinking gives the last blocks back, and never grows") {
    KvBlocks blocks(4, 16, true);
    BlockTable table;
    REQUIRE(blocks.grow(table, 3));
    const std::vector<int32_t> before = table.blocks;
    blocks.shrink(table, 5);
    CHECK(table.blocks == before);
    blocks.shrink(table, 1);
    CHECK(table.blocks == std::vector<int32_t>{before[0]});
    CHECK(blocks.n_free() == 3);
    CHECK(blocks.ref_count(before[0]) == 1);
}

TEST_CASE("kv_blocks: tokens round up to blocks") {
    KvBlocks blocks(1, 16, true);
    CHECK(blocks.blocks_for(0) == 0);
    CHECK(blocks.blocks_for(1) == 1);
    CHECK(blocks.blocks_for(16) == 1);
    CHECK(blocks.blocks_for(17) == 2);
}

TEST_CASE("kv_blocks: a prefix is found in full blocks and leaves a token over") {
    KvBlocks blocks(16, 4, true);
    BlockTable table = compute(blocks, ids(12));
    const std::vector<std::pair<int, size_t>> cases = {{3, 0}, {4, 0},  {5, 1},  {8, 1},
                                                       {9, 2}, {12, 2}, {13, 3}, {20, 3}};
    for (const auto& found : cases) {
        CAPTURE(found.first);
        PrefixMatch match = blocks.find_prefix(ids(found.first), "");
        CHECK(match.blocks.size() == found.second);
        CHECK(std::equal(match.blocks.begin(), match.blocks.end(), table.blocks.begin()));
        CHECK(blocks.n_idle(match) == 0);
    }
    blocks.release(table);
    CHECK(blocks.n_idle(blocks.find_prefix(ids(13), "")) == 3);
    CHECK(blocks.find_prefix({}, "").blocks.empty());
}

TEST_CASE("kv_blocks: a block that is not full is not found") {
    KvBlocks blocks(16, 4, true);
    BlockTable table = compute(blocks, ids(7));
    CHECK(blocks.find_prefix(ids(20), "").blocks.size() == 1);
    blocks.publish(table, ids(8), "");
    CHECK(blocks.find_prefix(ids(20), "").blocks.size() == 2);
}

TEST_CASE("kv_blocks: equal tokens after another prefix are another content") {
    KvBlocks blocks(16, 4, true);
    compute(blocks, {1, 1, 1, 1, 9, 9, 9, 9});
    CHECK(blocks.find_prefix(std::vector<int32_t>{2, 2, 2, 2, 9, 9, 9, 9, 0}, "").blocks.empty());
    CHECK(blocks.find_prefix(std::vector<int32_t>{9, 9, 9, 9, 0}, "").blocks.empty());
    CHECK(blocks.find_prefix(std::vector<int32_t>{1, 1, 1, 1, 8, 9, 9, 9, 0}, "").blocks.size() ==
          1);
}

TEST_CASE("kv_blocks: salts separate caches") {
    KvBlocks blocks(16, 4, true);
    compute(blocks, ids(8), "alice");
    CHECK(blocks.find_prefix(ids(9), "").blocks.empty());
    CHECK(blocks.find_prefix(ids(9), "bob").blocks.empty());
    CHECK(blocks.find_prefix(ids(9), "alice").blocks.size() == 2);
}

TEST_CASE("kv_blocks: without a prefix cache nothing is found") {
    KvBlocks blocks(16, 4, false);
    compute(blocks, ids(8));
    CHECK(blocks.find_prefix(ids(9), "").blocks.empty());
}

TEST_CASE("kv_blocks: shared blocks are counted and outlive the first holder") {
    KvBlocks blocks(16, 4, true);
    BlockTable a = compute(blocks, ids(8));
    BlockTable b = compute(blocks, ids(9));
    CHECK(b.blocks[0] == a.blocks[0]);
    CHECK(b.blocks[1] == a.blocks[1]);
    CHECK(blocks.ref_count(a.blocks[0]) == 2);
    CHECK(blocks.n_free() == 13);
    blocks.release(a);
    CHECK(blocks.ref_count(b.blocks[0]) == 1);
    CHECK(blocks.n_free() == 13);
    blocks.release(b);
    CHECK(blocks.n_free() == 16);
}

TEST_CASE("kv_blocks: the same content computed twice is kept once") {
    KvBlocks blocks(16, 4, true);
    BlockTable a, b;
    REQUIRE(blocks.grow(a, 2));
    REQUIRE(blocks.grow(b, 2));
    blocks.publish(a, ids(8), "");
    blocks.publish(b, ids(8), "");
    CHECK(a.blocks == b.blocks);
    CHECK(blocks.n_free() == 14);
}

TEST_CASE("kv_blocks: least recently used goes first, the end of a prefix before its beginning") {
    KvBlocks blocks(4, 4, true);
    BlockTable old = compute(blocks, ids(8));
    BlockTable young = compute(blocks, ids(8, 100));
    blocks.release(old);
    blocks.release(young);

    BlockTable table;
    REQUIRE(blocks.grow(table, 1));
    CHECK(blocks.find_prefix(ids(9), "").blocks.size() == 1);
    REQUIRE(blocks.grow(table, 2));
    CHECK(blocks.find_prefix(ids(9), "").blocks.empty());
    CHECK(blocks.find_prefix(ids(9, 100), "").blocks.size() == 2);
}

TEST_CASE("kv_blocks: use makes a cached prefix young again") {
    KvBlocks blocks(4, 4, true);
    BlockTable a = compute(blocks, ids(8));
    BlockTable b = compute(blocks, ids(8, 100));
    blocks.release(a);
    blocks.release(b);
    blocks.adopt(a, blocks.find_prefix(ids(9), ""));
    blocks.release(a);

    BlockTable table;
    REQUIRE(blocks.grow(table, 2));
    CHECK(blocks.find_prefix(ids(9), "").blocks.size() == 2);
    CHECK(blocks.find_prefix(ids(9, 100), "").blocks.empty());
}

TEST_CASE("kv_blocks: blocks without cached content are taken before cached ones") {
    KvBlocks blocks(3, 4, true);
    BlockTable cached = compute(blocks, ids(4)), blank;
    REQUIRE(blocks.grow(blank, 2));
    blocks.release(cached);
    blocks.release(blank);
    REQUIRE(blocks.grow(blank, 2));
    CHECK(blocks.find_prefix(ids(5), "").blocks.size() == 1);
}

TEST_CASE("kv_blocks: a hash collision is a miss, never a wrong hit") {
    KvBlocks blocks(16, 4, true, 0);  // every hash is 0
    BlockTable a = compute(blocks, ids(8));
    CHECK(a.n_published == 1);
    CHECK(blocks.find_prefix(ids(9), "").blocks.size() == 1);
    CHECK(blocks.find_prefix(ids(9, 100), "").blocks.empty());
    CHECK(blocks.find_prefix(ids(9), "salt").blocks.empty());
    const std::vector<int32_t> repeated = {0, 1, 2, 3, 0, 1, 2, 3, 4};  // the same after another
    CHECK(blocks.find_prefix(repeated, "").blocks.size() == 1);

    BlockTable b = compute(blocks, ids(8, 100));  // finds the only place taken
    CHECK(b.n_published == 0);
    blocks.release(a);
    blocks.release(b);
    CHECK(blocks.n_free() == 16);
}

TEST_CASE("kv_blocks: which contents collide differs from pool to pool") {
    auto kept = [] {
        KvBlocks blocks(64, 4, true, 63);  // 64 contents in 64 places: many share one
        std::vector<bool> published;
        for (int i = 0; i < 64; ++i)
            published.push_back(compute(blocks, ids(4, i * 4)).n_published == 1);
        return published;
    };
    const std::vector<bool> once = kept();
    CHECK(std::count(once.begin(), once.end(), false) > 0);
    CHECK(once != kept());
}

}  // namespace qwend
