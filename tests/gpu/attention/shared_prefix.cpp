// Which rows read their beginnings together: only what they have in common, every tile of it once,
// within the room that was promised.

#include "gpu/attention/shared_prefix.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

constexpr HeadShape kShape{14, 2, 64};
const int kRowsOfItem = shared_prefix_rows(kShape);
constexpr int64_t kLeastSaved = 16 << 20;  // bytes, where a test says nothing else

/// Block tables that fork from each other in random places.
std::vector<std::vector<int32_t>> random_tables(Random& random, int n, int longest) {
    std::vector<std::vector<int32_t>> tables;
    int32_t next_block = 1;
    for (int i = 0; i < n; i++) {
        std::vector<int32_t> table;
        if (i > 0 && random.below(4) > 0) {
            table = tables[size_t(random.below(i))];
            table.resize(size_t(random.below(int(table.size()) + 1)));
        }
        while (int(table.size()) < longest && random.below(longest) > 0)
            table.push_back(next_block++);
        tables.push_back(table);
    }
    return tables;
}

std::vector<SharingRow> rows_of(const std::vector<std::vector<int32_t>>& tables) {
    std::vector<SharingRow> rows;
    for (const auto& table : tables)
        rows.push_back({int(rows.size()), table.data(), int(table.size())});
    return rows;
}

/// What an item says of each row: it reads tiles of the first row's table in their place. The tiles
/// of a row by the partial result they are in.
using TilesOfPartial = std::map<int, std::pair<int, int>>;
std::vector<TilesOfPartial> tiles_of_rows(const SharedPrefixPlanner& planner,
                                          const std::vector<std::vector<int32_t>>& tables) {
    std::vector<TilesOfPartial> found(tables.size());
    for (size_t i = 0; i < planner.items().size(); i++) {
        const SharedPrefixItem& item = planner.items()[i];
        REQUIRE(item.n_rows >= 1);
        REQUIRE(item.n_rows <= kRowsOfItem);
        CHECK(item.tile_begin < item.tile_end);
        const auto rows = planner.row_order().subspan(size_t(item.first_row), size_t(item.n_rows));
        const auto& first = tables[size_t(item.lane)];
        for (size_t place = 0; place < rows.size(); place++) {
            const auto& own = tables[size_t(rows[place])];
            REQUIRE(item.tile_end <= int(own.size()));
            CHECK(std::equal(own.begin() + item.tile_begin, own.begin() + item.tile_end,
                             first.begin() + item.tile_begin));
            found[size_t(rows[place])][int(i) * kRowsOfItem + int(place)] = {item.tile_begin,
                                                                             item.tile_end};
        }
    }
    return found;
}

int64_t tiles_saved(const SharedPrefixPlanner& planner, size_t n_rows) {
    int64_t tiles = 0;
    for (size_t row = 0; row < n_rows; row++) tiles += planner.prefixes()[row].n_tiles;
    for (const SharedPrefixItem& item : planner.items()) tiles -= item.tile_end - item.tile_begin;
    return tiles;
}

void check_plan(const SharedPrefixPlanner& planner, const std::vector<std::vector<int32_t>>& tables,
                int padded) {
    CHECK(int(planner.items().size()) <= planner.most_items(padded));
    REQUIRE(int(planner.row_order().size()) == padded);
    REQUIRE(int(planner.prefixes().size()) == padded);
    const auto found = tiles_of_rows(planner, tables);
    for (int row = 0; row < padded; row++) {
        const RowPrefix prefix = planner.prefixes()[size_t(row)];
        const bool is_padding = row >= int(tables.size());
        CHECK(int(is_padding ? 0 : found[size_t(row)].size()) == prefix.n_partials);
        int next_tile = 0;
        for (int p = 0; p < prefix.n_partials && !is_padding; p++) {
            const int partial = prefix.first_partial + p * kRowsOfItem;
            REQUIRE(found[size_t(row)].contains(partial));
            const auto [begin, end] = found[size_t(row)].at(partial);
            CHECK(begin == next_tile);
            next_tile = end;
        }
        CHECK(next_tile == prefix.n_tiles);
    }
}

}  // namespace

TEST_CASE("shared prefixes: what rows have in common, each tile of it once") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (int round = 0; round < 300; round++) {
        CAPTURE(round);
        const auto tables =
            random_tables(random, 1 + random.below(300), 1 + random.below(round % 9 ? 60 : 2000));
        SharedPrefixPlanner planner(kShape, 0);
        const int padded = int(tables.size()) + random.below(64);
        if (!planner.plan(rows_of(tables), padded)) continue;
        check_plan(planner, tables, padded);
        CHECK(tiles_saved(planner, tables.size()) > 0);
    }
}

TEST_CASE("shared prefixes: of a beginning and its branches, what saves more") {
    auto tables_of = [](int n_common, int n_branches, int n_rows, int n_of_branch) {
        std::vector<std::vector<int32_t>> tables;
        int32_t own = 1'000'000;
        for (int branch = 0; branch < n_branches; branch++)
            for (int row = 0; row < n_rows; row++) {
                std::vector<int32_t> table;
                for (int i = 0; i < n_common; i++) table.push_back(i);
                for (int i = 0; i < n_of_branch; i++) table.push_back(10'000 * (branch + 1) + i);
                table.push_back(own++);
                tables.push_back(table);
            }
        return tables;
    };
    auto prefix_of_first = [](const std::vector<std::vector<int32_t>>& tables,
                              int64_t least = kLeastSaved) {
        SharedPrefixPlanner planner(kShape, least);
        return planner.plan(rows_of(tables), int(tables.size())) ? planner.prefixes()[0].n_tiles
                                                                 : 0;
    };
    CHECK(prefix_of_first(tables_of(256, 1, 64, 0)) == 256);
    CHECK(prefix_of_first(tables_of(256, 8, 8, 10)) == 256);   // a little more of each branch
    CHECK(prefix_of_first(tables_of(32, 2, 32, 500)) == 532);  // much more
    CHECK(prefix_of_first(tables_of(16, 1, 20, 0)) == 0);      // less than was wanted
    CHECK(prefix_of_first(tables_of(256, 1, 64, 0), SharedPrefixPlanner::kLeastSavedBytes) == 0);
    CHECK(prefix_of_first(tables_of(1024, 1, 64, 0), SharedPrefixPlanner::kLeastSavedBytes) ==
          1024);
    CHECK(prefix_of_first(tables_of(0, 64, 1, 300)) == 0);
}

TEST_CASE("shared prefixes: branches within branches end, and cost what there is to compare") {
    // Each row goes one tile further with the others than the row before.
    std::vector<std::vector<int32_t>> tables;
    for (int row = 0; row < 500; row++) {
        std::vector<int32_t> table;
        for (int i = 0; i < 4 * row; i++) table.push_back(i);
        table.push_back(100'000 + row);
        tables.push_back(table);
    }
    SharedPrefixPlanner planner(kShape, 0);
    REQUIRE(planner.plan(rows_of(tables), 512));
    check_plan(planner, tables, 512);
}
