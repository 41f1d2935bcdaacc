#include "gpu/attention/shared_prefix.h"

#include <algorithm>
#include <numeric>

#include "gpu/launch.h"

namespace qwend {

namespace {

/// Fewer rows, or fewer tiles, are not worth an item.
constexpr int kFewestRows = 4, kFewestTiles = 8;
/// With fewer tiles an item's beginning and end, and what it hands on, take longer than the rest.
constexpr int kFewestTilesOfItem = 16;
/// An item is a whole number of the kernel's stages, but for a group's last.
constexpr int kTilesStep = 4;
/// Of branches within branches that are looked at, which bounds what a hostile set of contexts
/// costs.
constexpr int kMostLevels = 8;

int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

}  // namespace

/// How many items the rows of a group make before its tiles are cut.
int SharedPrefixPlanner::items_of(int n_rows) const {
    return divide_up(n_rows, rows_of_item_);
}

int64_t SharedPrefixPlanner::saved(const Group& group) const {
    return group.n_rows < kFewestRows || group.n_tiles < kFewestTiles
               ? 0
               : int64_t(group.n_rows - items_of(group.n_rows)) * group.n_tiles;
}

SharedPrefixPlanner::SharedPrefixPlanner(HeadShape shape, int64_t least_saved)
    : n_kv_heads_(shape.n_kv_heads),
      rows_of_item_(shared_prefix_rows(shape)),
      tile_bytes_(2 * int64_t(kBlockTokens) * shape.kv_dim() * int64_t(sizeof(bf16))),
      least_saved_(least_saved) {}

int SharedPrefixPlanner::most_items(int n_rows) const {
    return items_at_once() + divide_up(n_rows, kFewestRows);
}

/// How many leading tiles all of `rows` have in common, of which `known` were compared before.
int SharedPrefixPlanner::common_tiles(std::span<const int32_t> rows, int known) const {
    const int32_t* first = rows_[size_t(rows[0])].table;
    int common = rows_[size_t(rows[0])].n_tiles;
    for (int32_t row : rows.subspan(1)) {
        const SharingRow& other = rows_[size_t(row)];
        common = std::min(common, other.n_tiles);
        // Most often all are the same, and std::equal is several times as fast.
        if (!std::equal(first + known, first + common, other.table + known))
            common = int(std::mismatch(first + known, first + common, other.table + known).first -
                         first);
    }
    return common;
}

/// Appends the groups of these rows that save most, one of all or those of their branches, and
/// returns how many tiles they save.
int64_t SharedPrefixPlanner::find_groups(int begin, int n_rows, int known, int level) {
    const std::span<int32_t> rows = std::span(order_).subspan(size_t(begin), size_t(n_rows));
    const Group all{begin, n_rows, common_tiles(rows, known)};
    const size_t n_before = groups_.size();
    const int64_t of_branches =
        level < kMostLevels ? find_branches(begin, n_rows, all.n_tiles, level + 1) : 0;
    if (saved(all) == 0 || saved(all) < of_branches) return of_branches;
    groups_.resize(n_before);
    groups_.push_back(all);
    return saved(all);
}

/// The same of each set of rows that go on with the same block behind the `common` first.
int64_t SharedPrefixPlanner::find_branches(int begin, int n_rows, int common, int level) {
    const auto rows = std::span(order_).subspan(size_t(begin), size_t(n_rows));
    // -1: nothing that could be shared is left of the row.
    auto next_block = [&](int32_t row) {
        const SharingRow& r = rows_[size_t(row)];
        return common < r.n_tiles ? r.table[common] : -1;
    };
    std::sort(rows.begin(), rows.end(), [&](int32_t a, int32_t b) {
        const int32_t block_of_a = next_block(a), block_of_b = next_block(b);
        return block_of_a != block_of_b ? block_of_a < block_of_b : a < b;
    });
    int64_t saved = 0;
    for (int first = 0; first < n_rows;) {
        int end = first + 1;
        const int32_t block = next_block(rows[size_t(first)]);
        while (end < n_rows && next_block(rows[size_t(end)]) == block) end++;
        if (block >= 0 && end - first >= kFewestRows)
            saved += find_groups(begin + first, end - first, common, level);
        first = end;
    }
    return saved;
}

/// How many run together: two for each SM.
int SharedPrefixPlanner::items_at_once() const {
    return 2 * kMultiprocessors / n_kv_heads_;
}

/// The fewest with which all items run at once, if that can be.
int SharedPrefixPlanner::tiles_of_item() const {
    int tiles = kFewestTilesOfItem, longest = 0;
    for (const Group& group : groups_) longest = std::max(longest, group.n_tiles);
    auto n_items = [&] {
        int total = 0;
        for (const Group& group : groups_)
            total += items_of(group.n_rows) * divide_up(group.n_tiles, tiles);
        return total;
    };
    while (tiles < longest && n_items() > items_at_once()) tiles += kTilesStep;
    return tiles;
}

/// Rows of a group that are in the same items have their partial results in the same places of
/// them, one item after the other.
void SharedPrefixPlanner::cut(const Group& group, int tiles_of_item) {
    const int n_items = items_of(group.n_rows), n_parts = divide_up(group.n_tiles, tiles_of_item);
    for (int i = 0; i < n_items; i++) {
        // Rows are spread evenly over items, which then end together.
        const int begin = group.n_rows * i / n_items, end = group.n_rows * (i + 1) / n_items;
        for (int place = 0; place < end - begin; place++)
            prefixes_[size_t(order_[size_t(group.begin + begin + place)])] = {
                group.n_tiles, int32_t(items_.size()) * rows_of_item_ + place, n_parts};
        const int lane = rows_[size_t(order_[size_t(group.begin)])].lane;
        for (int part = 0; part < n_parts; part++)
            items_.push_back({group.begin + begin, end - begin, lane, tiles_of_item * part,
                              std::min(tiles_of_item * (part + 1), group.n_tiles)});
    }
}

bool SharedPrefixPlanner::plan(std::span<const SharingRow> rows, int n_rows) {
    rows_ = rows;
    order_.resize(rows.size());
    std::iota(order_.begin(), order_.end(), 0);
    groups_.clear(), items_.clear();
    const int64_t saved = find_branches(0, int(rows.size()), 0, 0);
    if (saved == 0 || saved * tile_bytes_ < least_saved_) return false;
    prefixes_.assign(size_t(n_rows), {});
    const int tiles = tiles_of_item();
    for (const Group& group : groups_) cut(group, tiles);
    order_.resize(size_t(n_rows), 0);
    return true;
}

}  // namespace qwend
