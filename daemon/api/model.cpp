#include "daemon/api/model.h"

#include <algorithm>

namespace qwend {

int Model::context_limit() const {
    const auto info = engine.backend_info();
    if (!info) return text->max_model_len;
    const int most = std::min(text->max_model_len, info->n_blocks * info->block_size);
    return info->is_causal ? most : std::min(most, info->max_step_tokens);
}

}  // namespace qwend
