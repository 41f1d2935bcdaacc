#include "gpu/attention/prefill_tiling.h"

#include <algorithm>

#include "gpu/launch.h"

namespace qwend {

namespace {

int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

}  // namespace

PrefillTiling::PrefillTiling(HeadShape shape, PrefillTileRows rows, bool is_causal)
    : group_(shape.group()), n_kv_heads_(shape.n_kv_heads), rows_(rows), is_causal_(is_causal) {}

template <class Take>
void PrefillTiling::for_each_tile(const PrefillRun& run, int rows, Take take) const {
    for (int first = 0; first < run.n_query; first += queries(rows)) {
        const int n = std::min(queries(rows), run.n_query - first);
        take(first, n, run.position + (is_causal_ ? first + n : run.n_query));
    }
}

/// The smallest tile that does not make too many blocks. A captured step launches a block for each
/// of most_tiles(). With 228 blocks smaller tiles were faster even for a prompt's beginning, whose
/// contexts differ in length so that short ones fill the gaps; with 294 they were not.
int PrefillTiling::fewest_rows(int n_queries) const {
    constexpr int kMostBlocks = 240;
    int rows = rows_.step;
    while (rows < rows_.most && divide_up(n_queries, queries(rows)) * n_kv_heads_ > kMostBlocks)
        rows += rows_.step;
    return rows;
}

int PrefillTiling::most_tiles(int n_queries, int n_runs) const {
    return n_queries / queries(fewest_rows(n_queries)) + n_runs;
}

int PrefillTiling::capacity(int n_queries, int n_runs) const {
    return n_queries / queries(rows_.step) + n_runs;
}

/// The time that tiles of so many rows take, in arbitrary units. A block has an SM to itself. The
/// time of a step of keys, and by how much the SMs miss a perfect balance, were measured with heads
/// of 64 and of 128, two and four KV heads, 512 to 4,096 queries.
double PrefillTiling::cost(std::span<const PrefillRun> runs, int rows) const {
    constexpr double kStep = 3, kImbalance = 1.15;
    double total = 0, longest = 0;
    for (const PrefillRun& run : runs)
        for_each_tile(run, rows, [&](int, int, int n_keys) {
            total += n_keys, longest = std::max(longest, double(n_keys));
        });
    const double on_an_sm = total * n_kv_heads_ / kMultiprocessors * kImbalance;
    return std::max(longest, on_an_sm) * (kStep + rows / rows_.step);
}

void PrefillTiling::cut(std::span<const PrefillRun> runs, int n_queries,
                        std::vector<PrefillTile>& tiles) const {
    int best = fewest_rows(n_queries);
    double least = cost(runs, best);
    for (int rows = best + rows_.step; rows <= rows_.most; rows += rows_.step)
        if (const double other = cost(runs, rows); other <= least) best = rows, least = other;
    tiles.clear();
    for (const PrefillRun& run : runs)
        for_each_tile(run, best, [&](int first, int n, int n_keys) {
            tiles.push_back({run.query_begin + first, n, n_keys, run.lane});
        });
    std::stable_sort(tiles.begin(), tiles.end(), [](const PrefillTile& a, const PrefillTile& b) {
        return a.n_keys > b.n_keys;
    });
}

}  // namespace qwend
