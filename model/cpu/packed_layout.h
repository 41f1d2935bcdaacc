#pragma once

#include <algorithm>
#include <cstddef>

#include "model/cpu/few_rows.h"
#include "model/linear_kind.h"

namespace qwend {

/// How quantised weights lie in memory: in panels of 64 outputs, as few_rows.h's, and a panel in
/// records, one for each group of inputs:
///   scales  (64) f32
///   zeros   (64) int16, or f32 where they are no integers; none where all are the middle. Of int8
///           less 128
///   codes   of 32 inputs at a time, k padded to a multiple of that
/// Codes lie as the lanes of a register want them that holds two inputs of eight outputs: a lane is
/// 2 * output + input.
///   int4        16 inputs are 8 vectors of 16 words, one for each eight outputs: nibble t of lane
///               l is of input 2 * t + l % 2
///   int8, fp8   2 inputs are 128 bytes; int8 is signed, less 128
struct PackedLayout {
    LinearKind kind = LinearKind::int4;
    int n = 0, k = 0;
    int group = 0;                                   // inputs; a multiple of 16 or at least k
    bool has_zeros = false, has_real_zeros = false;  // the second with the first

    static constexpr int kScaleBytes = kPanelColumns * 4;

    int n_panels() const { return (n + kPanelColumns - 1) / kPanelColumns; }
    int k_padded() const { return (k + kPanelDepth - 1) / kPanelDepth * kPanelDepth; }
    int depth() const { return group < k ? group : k_padded(); }  // of a record but the last
    int n_groups() const { return (k_padded() + depth() - 1) / depth(); }
    int zero_bytes() const { return has_real_zeros ? 4 : has_zeros ? 2 : 0; }
    size_t header_bytes() const { return size_t(kScaleBytes + kPanelColumns * zero_bytes()); }
    /// Of the codes of one input.
    size_t input_bytes() const { return kPanelColumns / (kind == LinearKind::int4 ? 2 : 1); }
    size_t record_begin(int group_index) const {
        return size_t(group_index) * (header_bytes() + size_t(depth()) * input_bytes());
    }
    size_t panel_bytes() const {
        return size_t(n_groups()) * header_bytes() + size_t(k_padded()) * input_bytes();
    }
    size_t n_bytes() const { return size_t(n_panels()) * panel_bytes(); }

    /// Bytes behind the header to an output's first lane; its second is the next. The following
    /// inputs are 16 or 2 of them further.
    size_t lane_begin(int output) const {
        const size_t lane_bytes = kind == LinearKind::int4 ? 4 : 1;
        return size_t(output / 8 * 16 + output % 8 * 2) * lane_bytes;
    }
};

}  // namespace qwend
