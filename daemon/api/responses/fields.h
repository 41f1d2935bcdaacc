#pragma once

#include <map>
#include <string_view>

#include "daemon/api/field.h"
#include "daemon/api/responses/reader.h"

namespace qwend {

/// The fields that a response has and chat has not, or that mean something else there. All others
/// are judged as chat's.
const FieldTable<ResponseReader>& response_fields();

/// What the object says, by name, of fields that it repeats and the request lacks; JSON.
const std::map<std::string_view, std::string_view>& echoed_fields();

}  // namespace qwend
