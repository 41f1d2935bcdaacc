#include "model/cpu/glu.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/cpu/ops.h"

namespace qwend {

namespace {

QWEND_MULTIARCH void swiglu(const float* gate_up, int n, float* out) {
    const float* up = gate_up + n;
    for (int i = 0; i < n; i++) {
        const float gate = gate_up[i];
        const float e = exp_nonpositive(-std::fabs(gate));
        const float sigmoid = (gate < 0 ? e : 1.0f) / (1.0f + e);
        out[i] = gate * sigmoid * up[i];
    }
}

float sigmoid(float x) {
    const float e = std::exp(-std::fabs(x));
    return (x < 0 ? e : 1.0f) / (1.0f + e);
}

/// Φ, of the normal distribution.
float normal_cdf(float x) {
    return 0.5f * std::erfc(-x * float(std::numbers::sqrt2 / 2));
}

/// (1 + tanh z) / 2 is the sigmoid of 2 z.
float gelu_tanh(float x) {
    constexpr float kTwice = 1.5957691f;  // 2 √(2 / π)
    return x * sigmoid(kTwice * (x + 0.044715f * x * x * x));
}

float softplus(float x) {
    return std::max(x, 0.0f) + std::log1p(std::exp(-std::fabs(x)));
}

}  // namespace

float activate(Activation activation, float x) {
    switch (activation) {
        case Activation::silu:
            return x * sigmoid(x);
        case Activation::gelu:
            return x * normal_cdf(x);
        case Activation::gelu_10:
            return std::min(x * normal_cdf(x), 10.0f);
        case Activation::gelu_tanh:
            return gelu_tanh(x);
        case Activation::quick_gelu:
            return x * sigmoid(1.702f * x);
        case Activation::hardswish:
            return x * std::clamp(x + 3, 0.0f, 6.0f) / 6;
        case Activation::laplace:
            return normal_cdf((x - 0.707107f) / 0.282095f);
        case Activation::leaky_relu:
            return x < 0 ? 0.01f * x : x;
        case Activation::linear:
            return x;
        case Activation::mish:
            return x * std::tanh(softplus(x));
        case Activation::relu:
            return std::max(x, 0.0f);
        case Activation::relu2:
            return std::max(x, 0.0f) * std::max(x, 0.0f);
        case Activation::relu6:
            return std::clamp(x, 0.0f, 6.0f);
        case Activation::sigmoid:
            return sigmoid(x);
        case Activation::sqrtsoftplus:
            return std::sqrt(softplus(x));
        case Activation::tanh:
            return std::tanh(x);
    }
    return NAN;
}

void glu(Activation activation, const float* gate_up, int n, float* out) {
    if (activation == Activation::silu) return swiglu(gate_up, n, out);
    for (int i = 0; i < n; i++) out[i] = activate(activation, gate_up[i]) * gate_up[n + i];
}

}  // namespace qwend
