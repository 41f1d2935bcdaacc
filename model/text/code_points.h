#pragma once

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace qwend {

/// Appends a character as UTF-8.
inline void append_code_point(std::string& out, int32_t code_point) {
    utf8proc_uint8_t bytes[4];
    const auto n = utf8proc_encode_char(code_point, bytes);
    out.append(reinterpret_cast<const char*>(bytes), size_t(n));
}

}  // namespace qwend
