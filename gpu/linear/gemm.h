#pragma once

#include <memory>

#include "gpu/cuda.h"
#include "gpu/tensors.h"

namespace qwend {

/// What a product writes: bf16; f32; or f32 added to what is there.
enum class GemmOutput { bf16, f32, add_f32 };

/// y (rows, n) = x (rows, k) bf16 · Wᵀ on cuBLASLt, of dense weights, for more rows than the fused
/// products are good for. The library is loaded when the first of these is made: it is half a
/// gigabyte, and a qwend that runs on a CPU does without. One thread and one stream use it.
class Gemm {
  public:
    /// Throws LoadError if the library cannot be loaded, BackendFault if it does not work.
    Gemm();
    ~Gemm();
    Gemm(const Gemm&) = delete;
    Gemm& operator=(const Gemm&) = delete;

    /// y holds (n_rows, weights.n) of the output's type. The algorithm is the library's first guess
    /// for the shape, so that every start of the process adds in the same order; the first call of
    /// a shape takes longer. Throws BackendFault.
    void run(LinearWeights weights, const bf16* x, void* y, GemmOutput output, int n_rows,
             const Stream& stream);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
