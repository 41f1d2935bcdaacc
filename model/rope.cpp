#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace qwend {

namespace {

/// What YaRN multiplies cos and sin by, unless the configuration says a factor.
double yarn_scale(double factor, double mscale) {
    return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const YarnScaling& yarn) {
    if (yarn.attention_factor) return double(*yarn.attention_factor);
    if (yarn.mscale == 0 || yarn.mscale_all_dim == 0) return yarn_scale(yarn.factor, 1);
    return yarn_scale(yarn.factor, yarn.mscale) / yarn_scale(yarn.factor, yarn.mscale_all_dim);
}

/// Which share of a dimension's frequency is interpolated: none below `low`, all above `high`.
struct YarnRamp {
    double low, high;

    explicit YarnRamp(const ModelConfig& config) {
        const YarnScaling& yarn = *config.yarn;
        low = dimension(yarn.beta_fast, config), high = dimension(yarn.beta_slow, config);
        if (yarn.truncate) low = std::floor(low), high = std::ceil(high);
        low = std::max(low, 0.0), high = std::min(high, double(config.head_dim - 1));
        if (low == high) high += 0.001;
    }

    double operator()(int i) const { return std::clamp((i - low) / (high - low), 0.0, 1.0); }

  private:
    /// The one that turns `n_rotations` times over the original context.
    static double dimension(double n_rotations, const ModelConfig& config) {
        return config.head_dim *
               std::log(config.yarn->original_max_position / (n_rotations * 2 * std::numbers::pi)) /
               (2 * std::log(double(config.rope_theta)));
    }
};

double llama3_frequency(const Llama3Scaling& llama3, double inv_freq) {
    const double n_turns = llama3.original_max_position * inv_freq / (2 * std::numbers::pi);
    const double low = llama3.low_freq_factor, high = llama3.high_freq_factor;
    const double kept = std::clamp((n_turns - low) / (high - low), 0.0, 1.0);
    return inv_freq / llama3.factor * (1 - kept) + inv_freq * kept;
}

}  // namespace

RopeFrequencies rope_frequencies(const ModelConfig& config) {
    RopeFrequencies result;
    for (int i = 0; i < config.head_dim / 2; i++) {
        double inv_freq = std::pow(double(config.rope_theta), -2.0 * i / config.head_dim);
        if (config.yarn) {
            const double ramp = YarnRamp(config)(i);
            inv_freq = inv_freq / config.yarn->factor * ramp + inv_freq * (1 - ramp);
        }
        if (config.llama3) inv_freq = llama3_frequency(*config.llama3, inv_freq);
        if (config.longrope) inv_freq /= double(config.longrope->short_factor[size_t(i)]);
        if (i >= config.n_rotated.value_or(config.head_dim)) inv_freq = 0;
        result.inv_freq.push_back(float(inv_freq / config.rope_linear_factor));
    }
    if (config.yarn) result.scale = float(yarn_attention_factor(*config.yarn));
    if (config.longrope) result.scale = config.longrope->attention_factor;
    return result;
}

}  // namespace qwend
