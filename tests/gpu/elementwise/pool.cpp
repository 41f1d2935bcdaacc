// Vectors of rows of the residual stream against their twin.

#include "gpu/elementwise/elementwise.h"
#include "model/pooling.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

constexpr float kEps = 1e-6f;

struct PoolInput {
    int width;
    std::vector<float> x, weight;
    std::vector<PooledRows> pooled;

    /// Up to `most` rows each, some rows between them that nobody wants.
    PoolInput(Random& random, int width, int n, int most) : width(width) {
        int row = 0;
        for (int i = 0; i < n; i++) {
            const Reduction kinds[] = {Reduction::each, Reduction::sum, Reduction::weighted_sum,
                                       Reduction::max};
            const Reduction reduction = kinds[random.below(4)];
            const int n_rows = reduction == Reduction::each ? 1 : 1 + random.below(most);
            row += random.below(3);
            pooled.push_back({row, n_rows, int32_t(reduction), 1 + random.below(1000)});
            row += n_rows;
        }
        x = random.floats(size_t(row) * size_t(width), 2);
        weight = random.floats(size_t(width), 0.3f, 1);
    }

    /// A dimension of a vector. A sum is off by a rounding of what there is for every row; a weight
    /// is one more.
    Bounded expect(const PooledRows& rows, const std::vector<double>& squares, size_t i) const {
        const auto reduction = Reduction(rows.reduction);
        Bounded out;
        double magnitudes = 0;
        for (int k = 0; k < rows.n; k++) {
            const size_t row = size_t(rows.first + k);
            const double product = double(x[row * size_t(width) + i]) * double(weight[i]);
            Bounded value = divide_by_rms({product, 0}, squares[row], width, double(kEps));
            if (reduction == Reduction::weighted_sum) {
                value.value *= double(rows.first_place + k);
                value.bound =
                    value.bound * double(rows.first_place + k) + 0x1p-23 * std::fabs(value.value);
            }
            magnitudes += std::fabs(value.value);
            if (k == 0)
                out = value;
            else if (reduction == Reduction::max)
                out = {std::max(out.value, value.value), std::max(out.bound, value.bound)};
            else
                out = {out.value + value.value, out.bound + value.bound + 0x1p-24 * magnitudes};
        }
        return out;
    }

    std::vector<Expected> expect() const {
        const size_t columns = size_t(width);
        std::vector<double> squares(x.size() / columns);
        for (size_t i = 0; i < x.size(); i++) squares[i / columns] += double(x[i]) * double(x[i]);
        std::vector<Expected> expected(pooled.size() * columns);
        for (size_t at = 0; at < expected.size(); at++)
            expected[at] = {at, expect(pooled[at / columns], squares, at % columns)};
        return expected;
    }

    std::vector<float> run(const std::vector<PooledRows>& rows) const {
        const auto device_x = to_device(x), device_weight = to_device(weight);
        const auto device_rows = to_device(rows);
        const DeviceBuffer<float> inverse_rms(x.size() / size_t(width));
        const Output<float> out(rows.size() * size_t(width));
        pool({device_x.get(), device_weight.get(), kEps, width, device_rows.get(), int(rows.size()),
              inverse_rms.get(), out.get()},
             test_stream());
        return out.read();
    }
};

}  // namespace

TEST_CASE("pool: normed rows, alone or reduced, the same bits beside any others") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    Tally tally("pool");
    for (int width : is_quick() ? std::vector{320} : std::vector{256, 320, 896, 3584, 8192})
        for (int n : {1, 3, 64})
            for (int most : {1, 20, 130}) {
                CAPTURE(width);
                CAPTURE(n);
                CAPTURE(most);
                const PoolInput input(random, width, n, most);
                const auto all = input.run(input.pooled);
                tally.check(all, input.expect());
                const size_t one = size_t(random.below(n)), columns = size_t(width);
                CHECK(
                    same_bits(input.run({input.pooled[one]}).data(), &all[one * columns], columns));
            }
}
