#pragma once

#include <map>
#include <string_view>

#include "daemon/api/responses/reader.h"

namespace qwend {

/// A field that a response has and chat has not, or that means something else there. null is the
/// same as absent and is not read.
struct ResponseField {
    bool (*read)(ResponseReader&, std::string_view name, const JsonValue&);  // nullptr: is refused
    const char* echo =
        nullptr;               // what the object says where it is absent; nullptr: is not repeated
    const char* instead = "";  // of one that is refused
};

/// By name. All others are judged as chat's.
const std::map<std::string_view, ResponseField>& response_fields();

}  // namespace qwend
