#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qwend {

namespace {

/// Dimension of the head that turns `n_rotations` times over the original context (YaRN).
double yarn_dimension(double n_rotations, const ModelConfig& config) {
    return config.head_dim *
           std::log(config.yarn->original_max_position / (n_rotations * 2 * std::numbers::pi)) /
           (2 * std::log(double(config.rope_theta)));
}

}  // namespace

RopeFrequencies rope_frequencies(const ModelConfig& config) {
    RopeFrequencies result;
    const int half = config.head_dim / 2;
    double low = 0, high = 0;
    if (config.yarn) {
        constexpr double kFastRotations = 32, kSlowRotations = 1;  // the paper's beta and alpha
        low = std::max(std::floor(yarn_dimension(kFastRotations, config)), 0.0);
        high = std::min(std::ceil(yarn_dimension(kSlowRotations, config)),
                        double(config.head_dim - 1));
        if (low == high) high += 0.001;
        result.scale = float(0.1 * std::log(double(config.yarn->factor)) + 1.0);
    }
    for (int i = 0; i < half; i++) {
        double inv_freq = std::pow(double(config.rope_theta), -2.0 * i / config.head_dim);
        if (config.yarn) {
            const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
            inv_freq = inv_freq / config.yarn->factor * ramp + inv_freq * (1 - ramp);
        }
        result.inv_freq.push_back(float(inv_freq));
    }
    return result;
}

}  // namespace qwend
