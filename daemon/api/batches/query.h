#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace qwend {

/// The first value of a name in a request's query, decoded; nothing if it is not there, or is not
/// encoded as it should be.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace qwend
