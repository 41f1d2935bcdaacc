#pragma once

#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"
#include "daemon/api/responses/request.h"

namespace qwend {

// The response object in its three parts: what is known before, the elements of its output, and
// what is known at the end.

/// Up to the elements of `output`.
std::string response_head(const std::string& id, const ResponseStyle& style);

/// How a response stands.
struct ResponseEnd {
    std::string_view status = "in_progress";  // completed, incomplete or failed
    std::string_view incomplete_reason = {};  // of one that is incomplete
    const ApiError* error = nullptr;          // of one that failed
};
/// From the end of `output` on. `usage` nullptr: there is none yet.
std::string response_tail(const ResponseEnd& end, const Usage* usage);

/// An id that nobody can guess: `prefix` and 32 hexadecimal digits.
std::string make_response_id();

}  // namespace qwend
