#include "gpu/mask_rows.h"

#include <algorithm>
#include <cstring>

namespace qwend {

void MaskRows::allocate() {
    if (rows_.size() > 0) return;
    // A step in flight uses its rows until it is over, and the next one may need as many others.
    const size_t n_rows = std::max(kMinRows, 2 * max_rows_);
    rows_ = DeviceBuffer<uint32_t>(n_rows * n_words_);
    staged_ = PinnedBuffer<uint32_t>(n_slots_ * max_rows_ * n_words_);
    places_ = PinnedBuffer<int32_t>(n_slots_ * max_rows_);
    for (size_t i = 0; i < n_rows; i++) by_use_.push_back({0, int32_t(i)});
}

/// The row that has, or is to have, the words of that number.
int32_t MaskRows::take_row(uint64_t id, bool& is_new) {
    const auto known = id ? by_id_.find(id) : by_id_.end();
    is_new = known == by_id_.end();
    const auto row = is_new ? std::prev(by_use_.end()) : known->second;
    if (is_new) {
        if (row->id) by_id_.erase(row->id);
        row->id = id;
        if (id) by_id_[id] = row;
    }
    by_use_.splice(by_use_.begin(), by_use_, row);
    return row->at;
}

void MaskRows::place(std::span<const VocabularyMask> masks, int slot, const Stream& stream) {
    allocate();
    int32_t* places = places_.get() + size_t(slot) * max_rows_;
    uint32_t* staged = staged_.get() + size_t(slot) * max_rows_ * n_words_;
    for (const VocabularyMask& mask : masks) {
        int32_t& place = *places++;
        place = kAnyId;
        if (!mask.words) continue;
        bool is_new = false;
        place = take_row(mask.id, is_new);
        if (!is_new) continue;
        std::memcpy(staged, mask.words, n_words_ * sizeof(uint32_t));
        // In the order of the stream: whoever used the row before is done with it.
        CUDA_CHECK(cudaMemcpyAsync(rows_.get() + size_t(place) * n_words_, staged,
                                   n_words_ * sizeof(uint32_t), cudaMemcpyHostToDevice, stream));
        staged += n_words_;
    }
}

}  // namespace qwend
