#include "daemon/engine/match_guess.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace qwend {

/// 3, 4, 5 to 6, 7 to 8, 9 to 12, 13 to 16, 17 to 32, more.
int MatchRecords::class_of(int length) {
    constexpr std::array<int, kClasses - 1> kUpTo = {3, 4, 6, 8, 12, 16, 32};
    return static_cast<int>(std::ranges::lower_bound(kUpTo, length) - kUpTo.begin());
}

void MatchGuess::check(std::span<const int32_t> tokens, MatchRecords& records) const {
    for (size_t i = 0; i < ids_.size() && made_at_ + i < tokens.size(); ++i) {
        const bool is_right = ids_[i] == tokens[made_at_ + i];
        records.add(length_ + static_cast<int>(i), is_right);
        if (!is_right) return;
    }
}

void MatchGuess::set(size_t n_tokens, int length, std::vector<int32_t> ids) {
    made_at_ = n_tokens, length_ = length, ids_ = std::move(ids);
}

void MatchGuess::draft(const MatchRecords& records, float row_cost, float waiting,
                       std::vector<int32_t>& drafts) const {
    std::vector<float> chances(ids_.size());
    for (size_t i = 0; i < chances.size(); ++i)
        chances[i] = records.rate(length_ + static_cast<int>(i));
    const size_t n = n_worthwhile(chances, row_cost, waiting);
    drafts.assign(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(n));
}

}  // namespace qwend
