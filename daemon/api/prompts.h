#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/model_text.h"

namespace qwend {

/// The prompts of a generation as token ids, or why there are none.
struct EncodedPrompts {
    std::vector<std::vector<int32_t>> prompts;
    std::optional<ApiError> error;
    bool end_in_reasoning = false;  // of a chat whose model writes reasoning
};

/// Any thread.
EncodedPrompts encode_prompts(const ModelText& model, const Generation& generation);

/// Fits a generation and its prompts to the model and its context: length, stop ids, seed.
std::optional<ApiError> fit_generation(const ModelText& model, int context_limit,
                                       Generation& generation,
                                       std::vector<std::vector<int32_t>>& prompts);

}  // namespace qwend
