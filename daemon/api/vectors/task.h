#pragma once

#include <optional>
#include <string>

#include "daemon/api/api_error.h"
#include "daemon/api/vector_task.h"
#include "daemon/api/vectors/request.h"

namespace qwend {

/// What a request asks of its model, which is one that is served: its texts as inputs, and how the
/// answer is to be written. Any thread.
std::optional<ApiError> make_vector_task(VectorRequest request, unsigned scope,
                                         const std::string& request_id, const ModelPtr& model,
                                         VectorTask& task);

}  // namespace qwend
