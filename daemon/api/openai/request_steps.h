#pragma once

#include <string>
#include <string_view>

#include "daemon/api/openai/reader.h"

namespace qwend {

// The steps of reading a body that all of OpenAI's dialects take. Those that give a bool are false
// once the reader has an error.

/// Reads a field that requests of `scope` have, or says what becomes of any other.
bool read_field(RequestReader& r, const std::string& name, const JsonValue& value, unsigned scope);

/// The model a request names, before anything of it is read: what holds for the rest depends on it.
std::string named_model(const JsonDocument& document);

/// What every kind of request is held to once all its fields are read.
bool settle_common(RequestReader& r);

/// Takes out the tools that may not be called: what a model does not see, it does not choose.
bool settle_tools(RequestReader& r);

/// min_tokens is no more than what `length_field` allows, if that was given.
bool settle_min_tokens(RequestReader& r, std::string_view length_field);

}  // namespace qwend
