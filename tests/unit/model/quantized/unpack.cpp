// Every format's tensors unpack to the codes, zeros and scales that were packed into them.

#include "model/quantized/unpack.h"

#include <doctest/doctest.h>

#include "tests/unit/quantized_layers.h"

using namespace qwend;

namespace {

void check_unpacked(const QuantizedView& view, const QuantizedLinear& packed, int first,
                    int n_rows) {
    CAPTURE(first);
    CAPTURE(n_rows);
    const int n_groups = packed.n_groups();
    std::vector<uint8_t> codes(size_t(n_rows) * size_t(packed.k));
    std::vector<float> scales(size_t(n_rows) * size_t(n_groups));
    std::vector<float> zeros(scales.size());
    CHECK(unpack_rows(view, first, n_rows, codes.data(), scales.data(), zeros.data()));
    int n_wrong = 0;
    for (int row = 0; row < n_rows; row++) {
        for (int i = 0; i < packed.k; i++)
            n_wrong +=
                codes[size_t(row) * size_t(packed.k) + size_t(i)] != packed.code(first + row, i);
        for (int g = 0; g < n_groups; g++) {
            const size_t at = size_t(row * n_groups + g);
            const size_t from = packed.place((first + row) / packed.rows, g);
            n_wrong += scales[at] != packed.scales[from];
            n_wrong += zeros[at] != float(packed.zeros[from]);
        }
    }
    CHECK(n_wrong == 0);
}

}  // namespace

TEST_CASE("quantized/unpack: every format gives what was packed, for any range of outputs") {
    for_quantized_layers([](const QuantizedView& view, const QuantizedLinear& packed) {
        const int n_rows = view.linear->n;
        for (auto [first, n] : {std::pair{0, n_rows}, {0, 1}, {n_rows - 1, 1}, {3, 67}, {64, 64}})
            check_unpacked(view, packed, first, n);
    });
}
