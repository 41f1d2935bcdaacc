#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "model/quantized/unpack.h"
#include "tests/unit/quantized_checkpoint.h"

/// Quantised layers of files, beside what the tool that wrote them has packed.

namespace qwend {

/// The tensors of a linear layer, read from its files.
struct LoadedLinear {
    std::vector<std::byte> codes, scales, zeros;
    QuantizedView view;

    LoadedLinear(const TensorFiles& files, const StoredLinear& linear) {
        view.linear = &linear;
        view.codes = read(files, linear.weight, codes);
        view.scales = read(files, linear.quantized->scales, scales);
        if (linear.quantized->zeros) view.zeros = read(files, *linear.quantized->zeros, zeros);
    }

  private:
    static TensorView read(const TensorFiles& files, const StoredTensor& tensor,
                           std::vector<std::byte>& to) {
        to.resize(tensor.n_bytes);
        files.read(tensor, 0, to.size(), to.data());
        return {tensor.dtype, tensor.shape, to.data(), to.size()};
    }
};

/// Calls test(view, made) for layers of every format that differ in shape.
template <class Test>
void for_quantized_layers(Test test) {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (const QuantizedFormat& format : quantized_formats()) {
        CAPTURE(format.name);
        const QuantizedCheckpoint made({"small", 256, 4, 2, 384, true}, format, seed, 1);
        const LayerWeights& layer = made.checkpoint->weights.layers[0];
        struct Case {
            const StoredLinear& linear;
            const char* name;
        };
        for (const Case& each :
             {Case{layer.k, "self_attn.k_proj"}, Case{layer.gate, "mlp.gate_proj"},
              Case{layer.down, "mlp.down_proj"}}) {
            const std::string module = std::string("model.layers.0.") + each.name;
            CAPTURE(module);
            REQUIRE(each.linear.quantized);
            test(LoadedLinear(made.checkpoint->files, each.linear).view, made.linears.at(module));
        }
    }
}

}  // namespace qwend
