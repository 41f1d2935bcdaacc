// How prefill attention's work is cut: every query once, within the room that was promised.

#include "gpu/attention/prefill_tiling.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

struct Total {
    int n_queries = 0;
    std::vector<PrefillRun> runs;
};

Total random_runs(Random& random, int n_runs, int most) {
    Total total;
    for (int lane = 0; lane < n_runs; lane++) {
        const int n = 1 + random.below(most);
        total.runs.push_back({total.n_queries, n, random.below(5000), lane});
        total.n_queries += n;
    }
    return total;
}

void check_tiles(HeadShape shape, PrefillTileRows rows, bool is_causal, const Total& total,
                 int padded) {
    const PrefillTiling tiling(shape, rows, is_causal);
    std::vector<PrefillTile> tiles;
    tiling.cut(total.runs, padded, tiles);
    const int n_runs = int(total.runs.size());
    CHECK(int(tiles.size()) <= tiling.most_tiles(padded, n_runs));
    bool has_room = true;
    for (int n = 1; n <= padded; n++)
        has_room &= tiling.most_tiles(n, n_runs) <= tiling.capacity(padded, n_runs);
    CHECK(has_room);
    std::vector<int> times(size_t(total.n_queries));
    bool fits = true, is_sorted = true, is_of_run = true;
    for (size_t i = 0; i < tiles.size(); i++) {
        const PrefillTile& tile = tiles[i];
        const PrefillRun& run = total.runs[size_t(tile.lane)];
        fits &= tile.n_query > 0 && tile.n_query * shape.group() <= rows.most;
        is_sorted &= i == 0 || tiles[i - 1].n_keys >= tile.n_keys;
        const int n_seen =
            is_causal ? tile.query_begin - run.query_begin + tile.n_query : run.n_query;
        is_of_run &= tile.n_keys == run.position + n_seen;
        const bool is_inside = tile.query_begin >= run.query_begin &&
                               tile.query_begin + tile.n_query <= run.query_begin + run.n_query;
        is_of_run &= is_inside;
        for (int q = 0; is_inside && q < tile.n_query; q++) times[size_t(tile.query_begin + q)]++;
    }
    CHECK(fits);
    CHECK(is_sorted);
    CHECK(is_of_run);
    CHECK(std::count(times.begin(), times.end(), 1) == total.n_queries);
}

/// Rows of the first tile, of one run.
int rows_taken(HeadShape shape, int n_query, int position) {
    std::vector<PrefillTile> tiles;
    PrefillTiling(shape, {64, 256})
        .cut(std::vector<PrefillRun>{{0, n_query, position, 0}}, n_query, tiles);
    return tiles.front().n_query * shape.group();
}

}  // namespace

TEST_CASE("prefill tiles: every query once, in no more tiles than there is room for") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (PrefillTileRows rows : {PrefillTileRows{64, 256}, {64, 192}, {128, 128}, {64, 64}})
        for (int group : {1, 5, 7, 8})
            for (int n_kv_heads : {1, 2, 8})
                for (int turn = 0; turn < 21; turn++) {
                    const int most = std::array{1, 20, 1000}[size_t(turn) % 3];
                    const HeadShape shape{group * n_kv_heads, n_kv_heads, 64};
                    const Total total = random_runs(random, 1 + random.below(30), most);
                    check_tiles(shape, rows, turn % 2 == 0, total,
                                total.n_queries + random.below(100));
                }
}

TEST_CASE("prefill tiles: small where the device would idle, large where it would not") {
    const HeadShape shape{14, 2, 64};
    CHECK(rows_taken(shape, 512, 0) <= 64);
    CHECK(rows_taken(shape, 512, 32000) <= 64);
    CHECK(rows_taken(shape, 4096, 0) > 192);
    CHECK(rows_taken(shape, 4096, 4096) > 192);
}
