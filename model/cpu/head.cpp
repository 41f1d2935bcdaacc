#include "model/cpu/head.h"

#include <utility>

#include "model/cpu/glu.h"
#include "model/cpu/weights.h"

namespace qwend {

Head::Head(const Checkpoint& checkpoint, HeadOf of) {
    if (of == HeadOf::text) {
        add(checkpoint.files, checkpoint.weights.lm_head, Activation::linear);
        checkpoint.files.check_unchanged();
        return;
    }
    for (const HeadLayer& layer : checkpoint.weights.head)
        add(checkpoint.files, layer.linear, layer.activation);
    for (const auto& [files, layer] : checkpoint.dense) {
        add(files, layer.linear, layer.activation);
        files.check_unchanged();
    }
}

void Head::add(const TensorFiles& files, const StoredLinear& linear, Activation activation) {
    TensorBuffer buffer(files);
    layers_.push_back({load_linear(buffer, {&linear}), activation});
}

std::vector<float> Head::apply(std::span<const float> vectors) {
    std::vector<float> in(vectors.begin(), vectors.end());
    for (const Layer& layer : layers_) {
        const size_t n_rows = in.size() / size_t(layer.linear.k());
        std::vector<float> out(n_rows * size_t(layer.linear.n()));
        layer.linear.apply(workspace_, in.data(), int(n_rows), out.data());
        for (float& x : out) x = activate(layer.activation, x);
        in = std::move(out);
    }
    return in;
}

}  // namespace qwend
