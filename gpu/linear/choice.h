#pragma once

#include "gpu/linear/linear.h"

namespace qwend {

/// The ways to compute the products of a step; linear.h describes them.
enum class ProductWay { skinny, wgmma, gemm };

/// What a model's quantised weights ask of products.
struct QuantizedUse {
    bool any = false;
    bool wide = true;  // their groups are multiples of 128 inputs, or all

    void see(const LinearWeights& weights);
};

/// Which way is fastest, by the number of rows: the one place that knows.
class ProductChoice {
  public:
    /// `deterministic`: any number of rows takes the same fused products.
    ProductChoice(const Device& device, int hidden_size, bool deterministic, QuantizedUse use);

    /// Of a step with n_rows tokens.
    ProductWay of_layers(int n_rows) const;
    /// Of n_rows logits. Quantised weights of a head are never unpacked, since they would be large.
    ProductWay of_head(LinearKind kind, int n_rows) const;
    /// The fused products of a way; null for gemm: cuBLASLt, of weights unpacked if they are
    /// quantised.
    static const LinearKernels* fused(ProductWay way, LinearKind kind);
    /// Where cuBLASLt would multiply gates and ups: whether glu_wgmma_sm90 is faster, which gates
    /// them too.
    bool gates_at_once(int n_rows) const;

  private:
    bool has_wgmma_, deterministic_;
    bool has_fused_wgmma_;  // of all the model's kinds
    int most_skinny_rows_, most_fused_rows_;
};

}  // namespace qwend
