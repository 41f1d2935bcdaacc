#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

#include "gpu/cuda.h"
#include "model/sampling.h"

namespace qwend {

/// Vocabulary masks on the device. One that has a number stays there as long as there is room, so
/// that where it is used again nothing is copied but its place. Memory is taken when the first mask
/// comes: few servers ever see one.
class MaskRows {
  public:
    /// A step has `max_rows` masks at most, of which `n_slots` steps may be in flight.
    MaskRows(int n_vocab, int max_rows, int n_slots)
        : n_words_(mask_words(n_vocab)), max_rows_(size_t(max_rows)), n_slots_(size_t(n_slots)) {}

    /// Brings over those that are not there, and writes where each lies to places() of the slot.
    /// What the host has of the masks may change once this returns.
    void place(std::span<const VocabularyMask> masks, int slot, const Stream& stream);

    const uint32_t* rows() const { return rows_.get(); }  // (any, n_words())
    int n_words() const { return int(n_words_); }
    /// In memory that both can read: of each sample of that step the row, negative: any id.
    const int32_t* places(int slot) const { return places_.get() + size_t(slot) * max_rows_; }

  private:
    static constexpr size_t kMinRows = 2048;
    static constexpr int32_t kAnyId = -1;

    void allocate();
    int32_t take_row(uint64_t id, bool& is_new);

    size_t n_words_, max_rows_, n_slots_;
    DeviceBuffer<uint32_t> rows_;
    PinnedBuffer<uint32_t> staged_;  // (slots, max_rows, n_words) on their way
    PinnedBuffer<int32_t> places_;   // (slots, max_rows)
    struct Row {
        uint64_t id = 0;
        int32_t at = 0;
    };
    std::list<Row> by_use_;  // all of them, the one used last first
    std::unordered_map<uint64_t, std::list<Row>::iterator> by_id_;
};

}  // namespace qwend
