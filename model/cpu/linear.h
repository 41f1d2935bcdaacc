#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/bf16.h"
#include "model/quantized/unpack.h"
#include "model/tensor_files.h"

namespace qwend {

/// What the matrix products of one backend share: primitives by shape, and scratch memory that
/// would otherwise be touched once a layer. One thread uses it.
class LinearWorkspace {
  public:
    LinearWorkspace();
    ~LinearWorkspace();

    // The scratch inputs as the products so far left them, for tests: a product may depend on
    // nothing in them, and touches no more of them than it reads.
    std::span<bf16_t> input();
    std::span<float> padded_input();

  private:
    friend class CpuLinear;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// y = x Wᵀ + b on oneDNN. The weights of several projections of the same input are packed side by
/// side into one matrix, once, in the blocked layout oneDNN chooses for this CPU: bf16 with f32
/// accumulation where it has AVX-512 bf16 or AMX, else f32.
/// On the bf16 path a row's result has the same bits for any number of rows beside it (measured for
/// 1 to 512 rows, oneDNN 2.6.3, AVX-512 bf16; tests/unit/cpu_linear.cpp holds it to that). One to
/// four rows are read by a kernel of our own, model/cpu/few_rows.h, to the same bits.
/// Quantised weights stay packed. Few rows read them so, model/cpu/packed_rows.h; for many they
/// become bf16 a slice at a time, or f32. Either way that is what they are multiplied as, so that
/// the same holds for a row's bits.
class CpuLinear {
  public:
    /// weights: each (n_i, k); biases: empty, or each (n_i).
    CpuLinear(const std::vector<TensorView>& weights, const std::vector<TensorView>& biases);
    /// Of quantised weights that CpuPackedWeights::fit() each other. Throws LoadError for numbers
    /// that are none.
    CpuLinear(const std::vector<QuantizedView>& weights, const std::vector<TensorView>& biases);
    CpuLinear(CpuLinear&&) noexcept;
    CpuLinear& operator=(CpuLinear&&) noexcept;
    ~CpuLinear();

    /// x: (n_rows, k) f32, y: (n_rows, n) f32. All threads take part.
    void apply(LinearWorkspace& workspace, const float* x, int n_rows, float* y) const;

    int n() const;  // output width, the sum of n_i
    int k() const;  // input width
    size_t weight_bytes() const;

    static bool uses_bf16();  // whether this CPU takes the bf16 path

  private:
    struct Impl;
    void set_bias(const std::vector<TensorView>& biases);
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
