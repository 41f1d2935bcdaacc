#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qwend {

/// The path by which a route is found: without repeated slashes and without one at the end, as base
/// URLs that end in a slash and clients that add one make them. Not percent-decoded, since %2F
/// does not separate.
std::string canonical_path(std::string_view path);

/// A part of a path as it was meant, decoded once: nothing for a '%' without two hexadecimal
/// digits, for control characters and for what is not UTF-8. Source: RFC 3986, section 2.1.
std::optional<std::string> decode_percent(std::string_view part);

/// Whether a body of this media type is read as JSON: application/json, text/json,
/// application/*+json whatever their case and parameters; none at all; and a form, which is what
/// curl -d calls its body.
bool is_json_type(std::string_view content_type);

/// Whether a body of this Content-Encoding is as it is: "identity", in any case.
bool is_no_encoding(std::string_view encoding);

}  // namespace qwend
