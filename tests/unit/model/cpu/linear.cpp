#include "model/cpu/linear.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "model/bf16.h"
#include "model/cpu/ops.h"
#include "tests/unit/skip.h"

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
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
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

TEST_CASE("cpu_linear: after a large product a small one touches and reads only its own scratch") {
    constexpr int kMany = 300, n = 70, k = 45;  // neither is a multiple that needs no padding
    const Problem problem(n, k, kMany, std::random_device{}());
    const float nan = std::nanf("");
    const auto n_touched = [](auto scratch, auto to_float) {
        return std::ranges::count_if(scratch, [&](auto v) { return !std::isnan(to_float(v)); });
    };
    for (int rows : {1, 3, 4, 5, 17, 40}) {
        CAPTURE(rows);
        CpuLinear linear = problem.linear(true);
        LinearWorkspace fresh, used;
        std::vector<float> expected(size_t(rows) * n), found(size_t(rows) * n);
        std::vector<float> many(size_t(kMany) * n);
        linear.apply(fresh, problem.x.data(), rows, expected.data());
        linear.apply(used, problem.x.data(), kMany, many.data());
        linear.apply(used, problem.x.data(), rows, found.data());  // its kernel is chosen here
        std::ranges::fill(used.input(), float_to_bf16(nan));
        std::ranges::fill(used.padded_input(), nan);
        linear.apply(used, problem.x.data(), rows, found.data());
        CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
        // Rows are padded to a multiple of 16, a row of few to one of 32.
        const int64_t most = int64_t((rows + 15) / 16 * 16) * ((k + 31) / 32 * 32);
        CHECK(n_touched(used.input(), bf16_to_float) <= most);
        CHECK(n_touched(used.padded_input(), [](float v) { return v; }) <= most);
    }
}
