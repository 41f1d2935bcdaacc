#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/batches/batch_record.h"

namespace qwend {

/// What a batch may ask.
inline constexpr std::array<std::string_view, 4> kBatchEndpoints = {
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"};

/// Reads the body that asks for a batch into a record that is still without its names and times
/// but `expires_at`, which is the window's length in seconds.
std::optional<ApiError> read_batch_request(std::string_view body, BatchRecord& batch);

/// The schema of that body.
std::string batch_request_schema();

}  // namespace qwend
