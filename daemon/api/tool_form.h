#pragma once

#include <optional>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/output_format.h"

namespace qwend {

/// Completes the form of an answer by what comes before it and what may come instead: thoughts, and
/// calls of tools. An answer without a form gets one if calls are required, or if a tool is strict
/// and the device can mask what is sampled. Any thread, once the prompt is rendered.
std::optional<ApiError> settle_form(const OutputFormat& format, bool can_mask,
                                    Generation& generation);

}  // namespace qwend
