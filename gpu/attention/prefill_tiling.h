#pragma once

#include <span>
#include <vector>

#include "gpu/attention/attention.h"

namespace qwend {

/// Queries of one lane, one after the other.
struct PrefillRun {
    int query_begin, n_query;
    int position;  // of the first
    int lane;
};

/// Chooses the tile size of prefill attention and cuts runs of queries into tiles. Small tiles are
/// done sooner, and there are more of them to keep the device busy; large ones do more for what
/// they read of the cache. A row's result does not depend on the choice.
class PrefillTiling {
  public:
    /// `is_causal`: as PrefillAttentionArgs has it; if not, a run is the end of its lane's context.
    PrefillTiling(HeadShape shape, PrefillTileRows rows, bool is_causal = true);

    /// The largest number of tiles of runs with n_queries together: by these alone, so that a
    /// captured step has room for them whatever their contexts are.
    int most_tiles(int n_queries, int n_runs) const;
    /// The same of any number of queries up to that.
    int capacity(int n_queries, int n_runs) const;

    /// At most most_tiles(n_queries, runs.size()) tiles; n_queries may be more than runs have. The
    /// longest contexts first, so that none of them is left to run alone at the end.
    void cut(std::span<const PrefillRun> runs, int n_queries,
             std::vector<PrefillTile>& tiles) const;

  private:
    int queries(int rows) const { return rows / group_; }
    int fewest_rows(int n_queries) const;
    double cost(std::span<const PrefillRun> runs, int rows) const;

    /// Calls take(first query, counted in the run; how many; the keys of the last) for every tile.
    template <class Take>
    void for_each_tile(const PrefillRun& run, int rows, Take take) const;

    int group_, n_kv_heads_;
    PrefillTileRows rows_;
    bool is_causal_;
};

}  // namespace qwend
