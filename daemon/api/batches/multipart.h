#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace qwend {

/// One field of a form; its views are of the body.
struct FormPart {
    std::string name, filename;  // as they were written between quotes, without backslashes
    bool has_filename = false;
    std::string_view content;
};

/// What a browser or a client makes of a form with files: its parts, or why it is none, in words.
/// Takes time in proportion to the body, and memory for at most kMaxFormParts parts.
/// Source: RFC 7578; RFC 2046, section 5.1.
using FormParts = std::variant<std::vector<FormPart>, std::string>;
FormParts parse_multipart(std::string_view content_type, std::string_view body);

inline constexpr size_t kMaxFormParts = 32;

}  // namespace qwend
