#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/model_text.h"
#include "daemon/api/openai.h"

namespace qwend {

/// The prompts of a request as token ids, or why there are none.
struct EncodedPrompts {
    std::vector<std::vector<int32_t>> prompts;
    std::optional<ApiError> error;
};

/// The prompts of a request. Any thread.
EncodedPrompts encode_prompts(const ModelText& model, const CompletionRequest& request);

/// Fits the request and its prompts to the model and its context: length, stop ids, seed.
std::optional<ApiError> fit_request(const ModelText& model, int context_limit,
                                    CompletionRequest& request,
                                    std::vector<std::vector<int32_t>>& prompts);

}  // namespace qwend
