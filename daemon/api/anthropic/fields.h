#pragma once

#include <string_view>

#include "daemon/api/anthropic/reader.h"
#include "daemon/api/field.h"

namespace qwend {

/// The fields that we obey. Source: Anthropic's API reference.
const FieldTable<MessagesReader>& messages_fields();

/// Whether a field that we do not obey is one of Anthropic's that changes no answer of ours: those
/// that are neither are counted and named in the log. No field of either kind is an error, since
/// clients send new ones with every version.
bool is_messages_hint(std::string_view name);

}  // namespace qwend
