#include "daemon/api/model.h"

#include <algorithm>

namespace qwend {

int Model::context_limit() const {
    const auto info = engine.backend_info();
    return info ? std::min(text->max_model_len, info->n_blocks * info->block_size)
                : text->max_model_len;
}

}  // namespace qwend
