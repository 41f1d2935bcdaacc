#pragma once

#include <cstddef>
#include <string_view>

namespace qwend {

/// The byte at which a text that is not JSON stops being the beginning of one: simdjson says what
/// is wrong with a document but not where, and a client wants to know. Source: RFC 8259.
size_t json_error_offset(std::string_view text);

}  // namespace qwend
