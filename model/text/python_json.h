#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// Appends a JSON text as Python's json.dumps(ensure_ascii=False) writes it: ", " and ": ", keys in
/// order, of a key given twice the last value, integers of any size, floats by repr ("Infinity"
/// beyond a double's range), half of a surrogate pair as U+FFFD. This is what a template's `tojson`
/// gives a model to read. False if it is not valid JSON.
bool append_python_json(std::string& out, std::string_view json);

}  // namespace qwend
