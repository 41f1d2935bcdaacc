#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend {

/// What the gate of the feed-forward network goes through, down(activation(gate(x)) * up(x)):
/// `hidden_act` of config.json. These are the functions of transformers' ACT2FN that have no
/// weights of their own. Φ is the normal distribution, softplus(x) = ln(1 + e^x).
enum class Activation {
    silu,          // x / (1 + e^-x), which every checkpoint of Qwen's own has
    gelu,          // x Φ(x)
    gelu_10,       // min(x Φ(x), 10)
    gelu_tanh,     // x (1 + tanh z) / 2, z = √(2 / π) (x + 0.044715 x³)
    quick_gelu,    // x / (1 + e^(-1.702 x))
    hardswish,     // x min(max(x + 3, 0), 6) / 6
    laplace,       // Φ((x - 0.707107) / 0.282095)
    leaky_relu,    // x, or x / 100 below 0
    linear,        // x
    mish,          // x tanh(softplus(x))
    relu,          // max(x, 0)
    relu2,         // max(x, 0)²
    relu6,         // min(max(x, 0), 6)
    sigmoid,       // 1 / (1 + e^-x)
    sqrtsoftplus,  // √softplus(x)
    tanh,          // tanh x
};

/// All of them under the names that config.json may have, of which some mean the same.
const std::vector<std::pair<std::string_view, Activation>>& named_activations();

/// Empty for a name that is none of those.
std::optional<Activation> find_activation(std::string_view name);

}  // namespace qwend
