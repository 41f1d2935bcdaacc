#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace qwend::grammar {

/// Numbers by the hash of what they stand for, which somebody else has: a hash table in one piece,
/// since a state or a frame is looked for, and often made, with every byte.
class IdTable {
  public:
    static constexpr uint32_t kNone = UINT32_MAX;

    /// The number of that hash for which `is_it`; kNone if there is none.
    template <class IsIt>
    uint32_t find(uint64_t hash, IsIt&& is_it) const {
        if (slots_.empty()) return kNone;
        for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[at];
            if (slot.id == kNone) return kNone;
            if (slot.hash == hash && is_it(slot.id)) return slot.id;
        }
    }
    /// One that find() does not find.
    void add(uint64_t hash, uint32_t id) {
        if ((n_ + 1) * 2 > slots_.size()) grow();
        put({hash, id});
        n_++;
    }
    size_t n_bytes() const { return slots_.size() * sizeof(Slot); }

  private:
    struct Slot {
        uint64_t hash = 0;
        uint32_t id = kNone;
    };
    void put(const Slot& slot) {
        size_t at = slot.hash & (slots_.size() - 1);
        while (slots_[at].id != kNone) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = slot;
    }
    void grow() {
        const std::vector<Slot> old = std::exchange(slots_, {});
        slots_.resize(old.empty() ? 64 : old.size() * 2);
        for (const Slot& slot : old)
            if (slot.id != kNone) put(slot);
    }

    std::vector<Slot> slots_;
    size_t n_ = 0;
};

}  // namespace qwend::grammar
