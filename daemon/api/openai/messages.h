#pragma once

#include <cstddef>
#include <string>

#include "daemon/api/openai/reader.h"

namespace qwend {

// What chat messages and the items of a response are read with.

inline constexpr size_t kMaxMessages = 4096;

/// A content: a string, or an array of parts. Their texts are joined, and so are the assistant's
/// thoughts among them.
bool read_content(RequestReader& r, const std::string& param, const JsonValue& value,
                  ChatMessage& message);

}  // namespace qwend
