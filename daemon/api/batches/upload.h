#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/batches/file_record.h"

namespace qwend {

/// A form that brings a file. The content is of the body.
struct Upload {
    std::string filename, purpose;
    std::string_view content;
    int64_t lifetime = 0;  // s; 0: for good
};

/// Reads the form; what is wrong with it, or nothing.
std::optional<ApiError> read_upload(std::string_view content_type, std::string_view body,
                                    uint64_t max_bytes, Upload& upload);

/// A file's lifetime as OpenAI bounds it.
inline constexpr int64_t kMinLifetime = 3600, kMaxLifetime = 2'592'000;  // s

}  // namespace qwend
