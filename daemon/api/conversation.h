#pragma once

#include <string>
#include <string_view>

#include "model/json_document.h"

namespace qwend {

// What clients of every dialect send of a conversation, as templates know it.

/// A role by the name that templates have for it; "" if it is none. A developer stays one: whether
/// a template knows of developers, or takes them for the system, only its rendering can tell.
std::string template_role(std::string_view role);

/// The arguments of an earlier call as the text of a JSON object, be they one or a string that
/// holds one. What is absent, cut off or no object becomes {}, as in vLLM: a model wrote it, and a
/// client sends it again with every turn.
std::string call_arguments(const JsonValue& value);

}  // namespace qwend
