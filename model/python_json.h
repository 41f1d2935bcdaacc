#pragma once

#include <simdjson.h>

#include <string>

namespace qwend {

/// Appends `element` as Python's json.dumps(ensure_ascii=False) writes it: ", " and ": ", keys in
/// order, floats by repr. This is what a template's `tojson` gives a model to read.
void append_python_json(std::string& out, simdjson::dom::element element);

/// The same for a JSON text; false if it is not valid JSON.
bool append_python_json(std::string& out, std::string_view json);

}  // namespace qwend
