#include "daemon/engine/event_joiner.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace qwend {

namespace {

constexpr double kLongest = 0.002;  // s; a fortieth of what eyes notice
constexpr size_t kFewEvents = 32;   // of a step: fewer do not keep the loop busy

}  // namespace

void EventJoiner::add(TokenEvent event, bool is_urgent) {
    if (is_urgent) urgent_.push_back(event.id);
    kept_.push_back(std::move(event));
}

std::vector<TokenEvent> EventJoiner::take(double time, bool may_keep) {
    const size_t n_new = kept_.size() - std::exchange(n_before_, 0);
    std::vector<SequenceId> urgent = std::exchange(urgent_, {});
    if (!may_keep || n_new < kFewEvents || time - last_taken_ >= kLongest) {
        last_taken_ = time;
        return std::exchange(kept_, {});
    }
    std::sort(urgent.begin(), urgent.end());
    const auto first_kept =
        std::stable_partition(kept_.begin(), kept_.end(), [&](const TokenEvent& event) {
            return std::binary_search(urgent.begin(), urgent.end(), event.id);
        });
    std::vector<TokenEvent> given(std::make_move_iterator(kept_.begin()),
                                  std::make_move_iterator(first_kept));
    kept_.erase(kept_.begin(), first_kept);
    n_before_ = kept_.size();
    return given;
}

}  // namespace qwend
