#pragma once

#include <map>
#include <string_view>

#include "daemon/api/anthropic/reader.h"

namespace qwend {

using ReadMessagesField = bool (*)(MessagesReader&, const JsonValue&);

/// The fields that we obey, by name. null is the same as absent and is not read.
const std::map<std::string_view, ReadMessagesField>& messages_fields();

/// Whether a field that we do not obey is one of Anthropic's that changes no answer of ours: those
/// that are neither are counted and named in the log. No field of either kind is an error, since
/// clients send new ones with every version.
bool is_messages_hint(std::string_view name);

}  // namespace qwend
