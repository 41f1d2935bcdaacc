#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace qwend::grammar {

/// What was done in a step, so that it is done once. To forget it all takes no time.
class Seen {
  public:
    void clear() {
        n_ = 0;
        if (++epoch_ != 0) return;
        std::ranges::fill(slots_, Slot());
        epoch_ = 1;
    }

    /// True the first time since clear().
    bool add(uint64_t what) {
        if ((n_ + 1) * 2 > slots_.size()) grow();
        size_t at = home_of(what);
        for (; slots_[at].epoch == epoch_; at = (at + 1) & (slots_.size() - 1))
            if (slots_[at].what == what) return false;
        slots_[at] = {what, epoch_};
        n_++;
        return true;
    }

  private:
    struct Slot {
        uint64_t what = 0;
        uint32_t epoch = 0;  // it is of that clear(), the first of which is 1
    };

    size_t home_of(uint64_t what) const {
        const uint64_t hash = what * 0x9E3779B97F4A7C15u;
        return (hash ^ hash >> 29) & (slots_.size() - 1);
    }

    void grow() {
        const std::vector<Slot> old = std::exchange(slots_, {});
        slots_.resize(std::max<size_t>(64, old.size() * 2));
        n_ = 0;
        for (const Slot& slot : old)
            if (slot.epoch == epoch_) add(slot.what);
    }

    std::vector<Slot> slots_;
    size_t n_ = 0;
    uint32_t epoch_ = 1;
};

}  // namespace qwend::grammar
