#pragma once

#include "gpu/linear/linear.h"

namespace qwend {

/// Which product computes with weights of a kind, by the number of rows: the one place that knows.
class ProductChoice {
  public:
    /// `deterministic`: any number of rows takes the same fused products.
    ProductChoice(const Device& device, int hidden_size, bool deterministic);

    /// The fused products that n_rows take, because they are faster there or the same bits are
    /// wanted; null: cuBLASLt (Gemm), of weights unpacked if they are quantised.
    const LinearKernels* fused(LinearKind kind, int n_rows) const;
    /// Where cuBLASLt would multiply gates and ups: whether glu_wgmma_sm90 is faster, which gates
    /// them too.
    bool gates_at_once(int n_rows) const;

  private:
    bool has_wgmma_, deterministic_;
    int most_fused_rows_;
};

}  // namespace qwend
