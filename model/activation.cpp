#include "model/activation.h"

namespace qwend {

const std::vector<std::pair<std::string_view, Activation>>& named_activations() {
    using enum Activation;
    // Kinds of gelu with tanh differ in how they are computed, by no more than rounding.
    static const std::vector<std::pair<std::string_view, Activation>> named = {
        {"silu", silu},
        {"swish", silu},
        {"gelu", gelu},
        {"gelu_python", gelu},
        {"gelu_10", gelu_10},
        {"gelu_new", gelu_tanh},
        {"gelu_fast", gelu_tanh},
        {"gelu_accurate", gelu_tanh},
        {"gelu_pytorch_tanh", gelu_tanh},
        {"gelu_python_tanh", gelu_tanh},
        {"quick_gelu", quick_gelu},
        {"hardswish", hardswish},
        {"laplace", laplace},
        {"leaky_relu", leaky_relu},
        {"linear", linear},
        {"mish", mish},
        {"relu", relu},
        {"relu2", relu2},
        {"relu6", relu6},
        {"sigmoid", sigmoid},
        {"sqrtsoftplus", sqrtsoftplus},
        {"tanh", tanh},
    };
    return named;
}

std::optional<Activation> find_activation(std::string_view name) {
    for (const auto& [known, activation] : named_activations())
        if (known == name) return activation;
    return std::nullopt;
}

}  // namespace qwend
