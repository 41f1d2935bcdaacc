#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/activation.h"

namespace qwend {

/// An activation in double, spelled as transformers' activations.py and PyTorch's documentation
/// have it.
inline double activation_twin(Activation activation, double x) {
    const double root = std::sqrt(2.0);
    const double gelu = 0.5 * x * (1 + std::erf(x / root));
    const double softplus = x > 20 ? x : std::log1p(std::exp(x)), relu = x > 0 ? x : 0;
    switch (activation) {
        case Activation::silu:
            return x / (1 + std::exp(-x));
        case Activation::gelu:
            return gelu;
        case Activation::gelu_10:
            return std::clamp(gelu, -10.0, 10.0);
        case Activation::gelu_tanh:
            return 0.5 * x *
                   (1 +
                    std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * std::pow(x, 3.0))));
        case Activation::quick_gelu:
            return x / (1 + std::exp(-1.702 * x));
        case Activation::hardswish:
            return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
        case Activation::laplace:
            return 0.5 * (1 + std::erf((x - 0.707107) / (0.282095 * root)));
        case Activation::leaky_relu:
            return std::max(x, 0.0) + 0.01 * std::min(x, 0.0);
        case Activation::linear:
            return x;
        case Activation::mish:
            return x * std::tanh(softplus);
        case Activation::relu:
            return relu;
        case Activation::relu2:
            return relu * relu;
        case Activation::relu6:
            return std::min(relu, 6.0);
        case Activation::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Activation::sqrtsoftplus:
            return std::sqrt(softplus);
        case Activation::tanh:
            return std::tanh(x);
    }
    return NAN;
}

}  // namespace qwend
