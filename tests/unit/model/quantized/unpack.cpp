// Every format's tensors unpack to the codes, zeros and scales that were packed into them.

#include "model/quantized/unpack.h"

#include <doctest/doctest.h>

#include "tests/unit/quantized_checkpoint.h"

using namespace qwend;

namespace {

/// The tensors of a linear layer, read.
struct Loaded {
    std::vector<std::byte> codes, scales, zeros;
    QuantizedView view;

    Loaded(const TensorFiles& files, const StoredLinear& linear) {
        view.linear = &linear;
        view.codes = read(files, linear.weight, codes);
        view.scales = read(files, linear.quantized->scales, scales);
        if (linear.quantized->zeros) view.zeros = read(files, *linear.quantized->zeros, zeros);
    }
    static TensorView read(const TensorFiles& files, const StoredTensor& tensor,
                           std::vector<std::byte>& to) {
        to.resize(tensor.n_bytes);
        files.read(tensor, 0, to.size(), to.data());
        return {tensor.dtype, tensor.shape, to.data(), to.size()};
    }
};

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
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (const QuantizedFormat& format : quantized_formats()) {
        CAPTURE(format.name);
        const QuantizedCheckpoint made({"small", 256, 4, 2, 384, true}, format, seed, 1);
        const LayerWeights& layer = made.checkpoint->weights.layers[0];
        for (auto [linear, name] : {std::pair{&layer.k, "self_attn.k_proj"},
                                    {&layer.gate, "mlp.gate_proj"},
                                    {&layer.down, "mlp.down_proj"}}) {
            const std::string module = std::string("model.layers.0.") + name;
            CAPTURE(module);
            REQUIRE(linear->quantized);
            const Loaded loaded(made.checkpoint->files, *linear);
            const QuantizedLinear& packed = made.linears.at(module);
            for (auto [first, n] :
                 {std::pair{0, linear->n}, {0, 1}, {linear->n - 1, 1}, {3, 67}, {64, 64}})
                check_unpacked(loaded.view, packed, first, n);
        }
    }
}
