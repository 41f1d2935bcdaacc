#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/cpu/huge_pages.h"
#include "model/cpu/packed_layout.h"
#include "model/quantized/unpack.h"

namespace qwend {

/// Quantised weights of several projections of the same input, side by side, packed as kernels read
/// them.
class CpuPackedWeights {
  public:
    /// Whether these can lie side by side: of the same kind, with the same groups.
    static bool fit(const std::vector<const StoredLinear*>& parts);
    static PackedLayout layout_of(const std::vector<const StoredLinear*>& parts);

    /// Packs parts that fit, by all threads. Throws LoadError for numbers that are none.
    explicit CpuPackedWeights(const std::vector<QuantizedView>& parts);

    const PackedLayout& layout() const { return layout_; }
    const std::byte* panels() const { return static_cast<const std::byte*>(storage_->address); }

    /// A panel as plain rows in f32, on any CPU: out (64, k). Outputs beyond n are 0.
    void to_rows(int panel, float* out) const;

  private:
    bool pack_panel(const std::vector<QuantizedView>& parts, int panel);

    PackedLayout layout_;
    std::unique_ptr<HugePages> storage_;
};

/// e4m3 as a float; NaN is not among what is asked for.
float e4m3_to_float(uint8_t code);

}  // namespace qwend
