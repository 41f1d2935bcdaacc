// The gate and up product of many rows has the bits of that of few, which linear.cpp holds to its
// twin: both add k in the same order.

#include "gpu/linear/glu_wgmma_sm90.h"

#include "gpu/linear/linear.h"
#include "tests/gpu/linear/products.h"

using namespace qwend;

namespace {

/// out (n_rows, inner) of either, and nothing written beside it.
template <class Launch>
std::vector<bf16_t> run(int n_rows, int inner, Launch launch) {
    const Output<bf16> out(size_t(n_rows) * size_t(inner));
    launch(out.get());
    return out.read();
}

void check_rows(const Product& product, Activation activation, int n_rows) {
    CAPTURE(n_rows);
    CAPTURE(int(activation));
    LinearInput input = product.input();
    input.squares = nullptr;
    const int inner = product.n / 2;
    const auto expected = run(n_rows, inner, [&](bf16* out) {
        kWgmmaSm90.gate_up(product.weights(), input, activation, out, n_rows, test_stream());
    });
    for (int turn = 0; turn < 3; turn++)
        CHECK(same_bits(expected, run(n_rows, inner, [&](bf16* out) {
                            glu_wgmma_sm90(product.weights(), input.x, activation, out, n_rows,
                                           test_stream());
                        })));
}

}  // namespace

TEST_CASE("linear: gate_up of many rows has the bits of gate_up of few") {
    if (!test_device().has_wgmma) {
        MESSAGE("no wgmma for glu_wgmma_sm90");
        return;
    }
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (const ModelShape& shape : model_shapes()) {
        CAPTURE(shape.name);
        const int most = is_quick() ? 300 : 4500;
        const Product product(random, 2 * shape.inner, shape.hidden, most);
        for (int n : {1, 255, 256, 257, 1 + random.below(most), most})
            check_rows(product, Activation::silu, std::min(n, most));
        check_rows(product, Activation::gelu_tanh, 1 + random.below(most));
    }
}
