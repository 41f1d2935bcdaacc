#pragma once

#include "model/activation.h"

// What a gate goes through on its way to its up, for the kernels that are templates of it: SiLU,
// which every checkpoint of Qwen's own has, each kernel computes in its own way; the others share
// one instantiation, that chooses where it runs.

namespace qwend {

struct Silu {
    __device__ float operator()(float x) const { return x / (1 + __expf(-x)); }
};

class AnyActivation {
  public:
    explicit AnyActivation(Activation activation) : activation_(activation) {}

    __device__ float operator()(float x) const {
        switch (activation_) {
            case Activation::silu:
                return x * sigmoid(x);
            case Activation::gelu:
                return x * normcdff(x);
            case Activation::gelu_10:
                return fminf(x * normcdff(x), 10);
            case Activation::gelu_tanh:  // (1 + tanh z) / 2 is the sigmoid of 2 z
                return x * sigmoid(kGeluTwice * (x + 0.044715f * x * x * x));
            case Activation::quick_gelu:
                return x * sigmoid(1.702f * x);
            case Activation::hardswish:
                return x * fminf(fmaxf(x + 3, 0), 6) / 6;
            case Activation::laplace:
                return normcdff((x - 0.707107f) / 0.282095f);
            case Activation::leaky_relu:
                return x < 0 ? 0.01f * x : x;
            case Activation::linear:
                return x;
            case Activation::mish:
                return x * tanhf(softplus(x));
            case Activation::relu:
                return fmaxf(x, 0);
            case Activation::relu2:
                return fmaxf(x, 0) * fmaxf(x, 0);
            case Activation::relu6:
                return fminf(fmaxf(x, 0), 6);
            case Activation::sigmoid:
                return sigmoid(x);
            case Activation::sqrtsoftplus:
                return sqrtf(softplus(x));
            case Activation::tanh:
                return tanhf(x);
        }
        return NAN;
    }

  private:
    static constexpr float kGeluTwice = 1.5957691f;  // 2 √(2 / π)

    __device__ static float sigmoid(float x) { return 1 / (1 + expf(-x)); }
    __device__ static float softplus(float x) { return fmaxf(x, 0) + log1pf(expf(-fabsf(x))); }

    Activation activation_;
};

}  // namespace qwend
