#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/quantized/unpack.h"
#include "tests/unit/quantized_formats.h"

namespace qwend {

/// What quantised codes stand for: (n, k), of `scales` and `zeros` (n, groups).
inline std::vector<float> dequantized(LinearKind kind, int n, int k, int group,
                                      const std::vector<uint8_t>& codes,
                                      const std::vector<float>& scales,
                                      const std::vector<float>& zeros) {
    const int n_groups = (k + group - 1) / group;
    std::vector<float> weights;
    for (int row = 0; row < n; row++)
        for (int i = 0; i < k; i++) {
            const uint8_t code = codes[size_t(row) * size_t(k) + size_t(i)];
            const auto at = size_t(row * n_groups + i / group);
            const double steps =
                kind == LinearKind::fp8 ? e4m3_value(code) : double(code) - double(zeros[at]);
            weights.push_back(float(steps * double(scales[at])));
        }
    return weights;
}

/// What a layer stands for whose numbers are quantised at load.
inline std::vector<float> dequantized(const TensorFiles& files, const StoredLinear& linear) {
    REQUIRE(linear.quantized->packing == CodePacking::at_load);
    std::vector<std::byte> numbers(linear.weight.n_bytes);
    files.read(linear.weight, 0, numbers.size(), numbers.data());
    const QuantizedView view{
        &linear,
        {linear.weight.dtype, linear.weight.shape, numbers.data(), numbers.size()},
        {},
        {}};
    const int n_groups = linear.quantized->n_groups(linear.k);
    std::vector<uint8_t> codes(size_t(linear.n) * size_t(linear.k));
    std::vector<float> scales(size_t(linear.n) * size_t(n_groups));
    std::vector<float> zeros(scales.size());
    REQUIRE(unpack_rows(view, 0, linear.n, codes.data(), scales.data(), zeros.data()));
    return dequantized(linear.kind, linear.n, linear.k, linear.quantized->group, codes, scales,
                       zeros);
}

}  // namespace qwend
