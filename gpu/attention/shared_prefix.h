#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gpu/attention/attention.h"

namespace qwend {

/// A row of decode attention, as its sequence's block table has it on the host.
struct SharingRow {
    int lane;
    const int32_t* table;
    int n_tiles;  // leading ones that may be read together with other rows; 0: padding
};

/// Finds the rows of decode attention whose sequences hold the same blocks in the same places (a
/// system prompt, few-shot examples, a document), so that their keys and values are read once for
/// all of them, and cuts that work into items for the blocks of a grid.
class SharedPrefixPlanner {
  public:
    /// What two kernels instead of one cost, in bytes that could be read meanwhile, out of L2 for
    /// the most part: measured with 32 to 256 rows that share 1,024 to 16,384 tokens, 0.5B and 7B.
    static constexpr int64_t kLeastSavedBytes = 192 << 20;

    /// `least_saved`: bytes that a layer must have to read less for it to pay.
    explicit SharedPrefixPlanner(HeadShape shape, int64_t least_saved = kLeastSavedBytes);

    /// The largest number of items for so many rows, padding included: by these alone, so that a
    /// captured step has room for them.
    int most_items(int n_rows) const;

    /// Whether it pays. If so items(), row_order() and prefixes() say how; `n_rows`, padding
    /// included, may be more than there are rows.
    bool plan(std::span<const SharingRow> rows, int n_rows);

    std::span<const SharedPrefixItem> items() const { return items_; }
    std::span<const int32_t> row_order() const { return order_; }  // what items count in
    std::span<const RowPrefix> prefixes() const { return prefixes_; }

  private:
    /// Rows order_[begin …] that share their first tiles.
    struct Group {
        int begin, n_rows, n_tiles;
    };
    /// Tiles that need not be read.
    int64_t saved(const Group& group) const;
    int common_tiles(std::span<const int32_t> rows, int known) const;
    int64_t find_groups(int begin, int n_rows, int known, int level);
    int64_t find_branches(int begin, int n_rows, int common, int level);
    int items_of(int n_rows) const;
    int items_at_once() const;
    int tiles_of_item() const;
    void cut(const Group& group, int tiles_of_item);

    int n_kv_heads_, rows_of_item_;
    int64_t tile_bytes_, least_saved_;  // of a layer
    std::span<const SharingRow> rows_;
    std::vector<int32_t> order_;
    std::vector<Group> groups_;
    std::vector<SharedPrefixItem> items_;
    std::vector<RowPrefix> prefixes_;
};

}  // namespace qwend
