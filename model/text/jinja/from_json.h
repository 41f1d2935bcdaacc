#pragma once

#include "model/json_document.h"
#include "model/text/jinja/value.h"

namespace qwend::jinja {

/// A JSON value as Python's json.loads gives it; its strings came with the variables.
Value from_json(Workspace& work, const JsonValue& value);

}  // namespace qwend::jinja
