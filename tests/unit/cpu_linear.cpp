#include "model/cpu_linear.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "model/bf16.h"
#include "model/cpu_ops.h"

using namespace qwend;

namespace {

struct Problem {
    int n, k;
    std::vector<bf16_t> weights;  // (n, k)
    std::vector<float> biases;    // (n)
    std::vector<float> x;         // (rows, k)

    Problem(int n_in, int k_in, int rows, unsigned seed) : n(n_in), k(k_in) {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal;
        auto draw = [&](size_t count) {
            std::vector<float> values(count);
            for (float& v : values) v = normal(random);
            return values;
        };
        weights.resize(size_t(n) * k);
        to_bf16(draw(weights.size()).data(), weights.data(), int(weights.size()));
        biases = draw(size_t(n)), x = draw(size_t(rows) * k);
    }
    CpuLinear linear(bool biased) const {
        const TensorView w{DType::bf16,
                           {n, k},
                           reinterpret_cast<const std::byte*>(weights.data()),
                           weights.size() * sizeof(bf16_t)};
        const TensorView b{DType::f32,
                           {n},
                           reinterpret_cast<const std::byte*>(biases.data()),
                           biases.size() * sizeof(float)};
        return biased ? CpuLinear({w}, {b}) : CpuLinear({w}, {});
    }
};

}  // namespace

TEST_CASE("cpu_linear: few rows, many rows, and a row among others are the same bits") {
    if (!CpuLinear::uses_bf16()) return;
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    constexpr int kRows = 40;
    using Shape = std::pair<int, int>;
    for (auto [n, k] : {Shape{64, 32}, {1152, 896}, {100, 70}, {896, 4864}, {65, 33}}) {
        const Problem problem(n, k, kRows, seed);
        for (bool biased : {false, true}) {
            CAPTURE(n);
            CAPTURE(k);
            CAPTURE(biased);
            CpuLinear linear = problem.linear(biased);
            LinearWorkspace workspace;
            std::vector<float> all(size_t(kRows) * n), some(size_t(kRows) * n);
            linear.apply(workspace, problem.x.data(), kRows, all.data());
            for (int rows : {1, 2, 3, 4, 5, 8, 17})
                for (int begin : {0, 7}) {
                    linear.apply(workspace, problem.x.data() + size_t(begin) * k, rows,
                                 some.data());
                    CAPTURE(rows);
                    CAPTURE(begin);
                    CHECK(std::memcmp(some.data(), all.data() + size_t(begin) * n,
                                      size_t(rows) * n * sizeof(float)) == 0);
                }
        }
    }
}

TEST_CASE("cpu_linear: the product is the sum in double, to bf16 inputs' rounding") {
    const Problem problem(200, 300, 3, std::random_device{}());
    CpuLinear linear = problem.linear(true);
    LinearWorkspace workspace;
    std::vector<float> y(3 * 200);
    linear.apply(workspace, problem.x.data(), 3, y.data());
    double error = 0, norm = 0;
    for (int row = 0; row < 3; row++)
        for (int j = 0; j < problem.n; j++) {
            double sum = problem.biases[size_t(j)];
            for (int i = 0; i < problem.k; i++)
                sum += double(problem.x[size_t(row * problem.k + i)]) *
                       bf16_to_float(problem.weights[size_t(j * problem.k + i)]);
            error += std::pow(y[size_t(row * problem.n + j)] - sum, 2), norm += sum * sum;
        }
    CHECK(std::sqrt(error / norm) < 4e-3);
}
