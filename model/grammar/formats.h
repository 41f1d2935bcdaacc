#pragma once

#include <string_view>
#include <vector>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// What a string of that `format` of JSON Schema is, all of it; nullptr if it is none of date-time,
/// date, time, duration, email, hostname, ipv4, ipv6, uri, uri-reference, iri, iri-reference, uuid,
/// json-pointer and relative-json-pointer. Each says no more than its standard, and some say less:
/// numbers that could go on for ever end, and of several spellings the usual one is left.
const Syntax* format_syntax(std::string_view format);
/// Those that it knows.
std::vector<std::string_view> format_names();

}  // namespace qwend::grammar
