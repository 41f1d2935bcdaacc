#pragma once

#include <vector>

#include "model/config.h"

namespace qwend {

/// Angles of rotary embedding. `inv_freq`: (head_dim / 2); `scale` multiplies cos and sin (YaRN's
/// attention factor). Source: Su et al. 2021, arXiv:2104.09864; Peng et al. 2023, arXiv:2309.00071.
struct RopeFrequencies {
    std::vector<float> inv_freq;
    float scale = 1.0f;
};
RopeFrequencies rope_frequencies(const ModelConfig& config);

}  // namespace qwend
