// Products on cuBLASLt against their twin: every kind of output, any number of rows.

#include "gpu/linear/gemm.h"

#include "gpu/linear/linear.h"
#include "tests/gpu/linear/products.h"

using namespace qwend;

namespace {

constexpr int kRowCounts[] = {1, 9, 17, 33, 64, 100, 200, 256, 513};
constexpr int kMaxRows = 513;

/// What y should be, where `before` is what it is added to, or nothing.
std::vector<Expected> expect_product(const Product& product, const std::vector<int>& columns,
                                     const std::vector<float>& before, int bits) {
    return expect(kMaxRows, columns, [&](int row, int column, Expected* out) {
        const size_t at = size_t(row) * size_t(product.n) + size_t(column);
        Bounded sum = product.plain(row, column);
        if (!before.empty()) sum.value += double(before[at]);
        *out = {at, rounded(sum, bits)};
    });
}

}  // namespace

TEST_CASE("gemm: y = x · Wᵀ as bf16, as f32, and added to f32") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    Gemm gemm;
    Tally narrow("gemm to bf16"), wide("gemm to f32"), added("gemm added to f32");
    Tally apart("gemm to f32, then added");
    int n_same = 0, n_compared = 0;  // sums added by the product and apart, of a shape
    struct Size {
        int n, k;
    };
    for (auto [n, k] : {Size{1152, 896},
                        {896, 4864},
                        {9728, 896},
                        {3584, 18944},
                        {4608, 3584},
                        {512, 256},
                        {256, 480},
                        {640, 320},
                        {384, 896}}) {
        CAPTURE(n);
        CAPTURE(k);
        const Product product(random, n, k, kMaxRows);
        const std::vector<float> before = random.floats(size_t(kMaxRows) * size_t(n), 3);
        const auto columns = some_columns(random, n, double(kMaxRows) * k);
        const auto to_bf16 = expect_product(product, columns, {}, kBf16Bits);
        const auto to_f32 = expect_product(product, columns, {}, kFloatBits);
        const auto to_sum = expect_product(product, columns, before, kFloatBits);
        for (int rows : kRowCounts) {
            CAPTURE(rows);
            const size_t size = size_t(rows) * size_t(n);
            auto run = [&](auto& y, GemmOutput output) {
                gemm.run(product.weights(), product.x(), y.get(), output, rows, test_stream());
                return y.read();
            };
            Output<bf16> short_y(size);
            const auto first = run(short_y, GemmOutput::bf16);
            narrow.check(first, to_bf16);
            short_y.clear();
            CHECK(same_bits(first, run(short_y, GemmOutput::bf16)));
            Output<float> y(size);
            wide.check(run(y, GemmOutput::f32), to_f32);
            upload(y.get(), before.data(), size);
            const auto at_once = run(y, GemmOutput::add_f32);
            added.check(at_once, to_sum);
            // As a rank does. Whether the bits are the same is cuBLASLt's affair.
            const Output<float> partial(size);
            run(partial, GemmOutput::f32);
            upload(y.get(), before.data(), size);
            add_partial_sums({{partial.get()}, 1}, {y.get(), nullptr, nullptr, nullptr}, 0, rows, n,
                             test_stream());
            const auto in_two = y.read();
            apart.check(in_two, to_sum);
            n_compared++, n_same += same_bits(at_once, in_two);
        }
    }
    MESSAGE("added apart: the same bits in " << n_same << " of " << n_compared);
}
