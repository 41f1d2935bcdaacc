#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "gpu/linear/linear.h"
#include "tests/gpu/kernel_test.h"
#include "tests/gpu/linear/packed_matrix.h"

/// What the tests of matrix products share: shapes, and a product's inputs on both sides.

namespace qwend {

struct ModelShape {
    const char* name;
    HeadShape heads;
    int hidden, inner;
};
/// Published ones, those of the goldens, and one of no size that a kernel likes.
inline std::vector<ModelShape> model_shapes() {
    if (is_quick()) return {{"0.5b", {14, 2, 64}, 896, 4864}, {"head128", {7, 1, 128}, 896, 384}};
    return {{"0.5b", {14, 2, 64}, 896, 4864},      {"1.5b", {12, 2, 128}, 1536, 8960},
            {"3b", {16, 2, 128}, 2048, 11008},     {"7b", {28, 4, 128}, 3584, 18944},
            {"head64_tied", {4, 2, 64}, 256, 480}, {"head128_untied", {7, 1, 128}, 896, 384},
            {"head64_yarn", {5, 1, 64}, 320, 256}, {"ragged", {5, 1, 64}, 480, 352}};
}

/// Random weights (n, k) and inputs (n_rows, k), so that outputs are near 1.
class Product {
  public:
    static constexpr float kEps = 1e-6f;

    /// `group`: inputs that share a scale where `kind` is a quantised one; 0: all.
    Product(Random& random, int n, int k, int n_rows, int square_width = kSkinnySquareWidth,
            LinearKind kind = LinearKind::dense, int group = 0)
        : n(n),
          k(k),
          n_sums_(size_t((k + square_width - 1) / square_width)),
          weights_(kind != LinearKind::dense
                       ? std::vector<bf16_t>()
                       : random.bf16s(size_t(n) * size_t(k), 1 / std::sqrt(float(k)))),
          x_(random.bf16s(size_t(n_rows) * size_t(k))),
          squares_(random.floats(size_t(n_rows) * n_sums_, 1, float(square_width))),
          device_weights_(to_device(weights_)),
          device_x_(to_device(x_)) {
        // Every fifth row is so small that eps is half of what is under the root.
        for (size_t i = 0; i < squares_.size(); i++)
            if (i / n_sums_ % 5 == 4) squares_[i] *= kEps;
        device_squares_ = to_device(squares_);
        if (kind != LinearKind::dense) packed_.emplace(random, kind, n, k, group ? group : k);
        for (int row = 0; row < n_rows; row++) {
            double sum = 0;
            for (size_t i = 0; i < n_sums_; i++) sum += squares_[size_t(row) * n_sums_ + i];
            sums_.push_back(sum);
        }
    }

    /// Of row · column, not rounded.
    Bounded plain(int row, int column) const {
        const bf16_t* x = x_.data() + size_t(row) * size_t(k);
        return packed_ ? dot(x, packed_->row(column), k)
                       : dot(x, weights_.data() + size_t(column) * size_t(k), k);
    }
    Bounded normed(int row, int column) const {
        return divide_by_rms(plain(row, column), sums_[size_t(row)], k, kEps);
    }

    LinearWeights weights() const {
        return packed_ ? packed_->weights() : DenseWeights{device_weights_.get(), n, k};
    }
    const bf16* x(int first_row = 0) const {
        return device_x_.get() + size_t(first_row) * size_t(k);
    }
    LinearInput input(int first_row = 0) const {
        return {x(first_row), device_squares_.get() + size_t(first_row) * n_sums_, kEps};
    }

    const int n, k;

  private:
    size_t n_sums_;  // of squares, a row
    std::vector<bf16_t> weights_, x_;
    std::optional<PackedMatrix> packed_;
    std::vector<float> squares_;
    std::vector<double> sums_;  // of a row's squares
    DeviceBuffer<bf16> device_weights_, device_x_;
    DeviceBuffer<float> device_squares_;
};

/// Which of n columns to compare: all, unless that takes too long; then the ends and random ones.
/// The rest are held to be the same whatever the number of rows.
inline std::vector<int> some_columns(Random& random, int n, double multiplications_each) {
    constexpr double kBudget = 1e9;  // a fraction of a second
    constexpr int kEnd = 16;
    const int wanted = int(std::min(double(n), kBudget / multiplications_each));
    std::vector<int> columns = random.permutation(n);
    columns.resize(size_t(wanted));
    for (int i = 0; i < std::min(kEnd, n); i++) columns.push_back(i), columns.push_back(n - 1 - i);
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    return columns;
}

/// What `N` elements for each row and column should be; make(row, column, Expected*).
template <int N = 1, class F>
std::vector<Expected> expect(int n_rows, const std::vector<int>& columns, F make) {
    std::vector<Expected> expected(size_t(n_rows) * columns.size() * N);
#pragma omp parallel for schedule(dynamic, 64)
    for (size_t i = 0; i < expected.size() / N; i++)
        make(int(i / columns.size()), columns[i % columns.size()], &expected[i * N]);
    return expected;
}

}  // namespace qwend
