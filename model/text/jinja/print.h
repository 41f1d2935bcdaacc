#pragma once

#include <string>

#include "model/text/jinja/value.h"

namespace qwend::jinja {

/// Adds Python's str() of a value, which is what a template prints.
void print(TextBuilder& out, const Value& value);
/// Adds Python's repr().
void print_repr(TextBuilder& out, const Value& value);
/// str() as a text; of a string itself.
Text text_of(Workspace& work, const Value& value);

/// A float as Python writes it: 1.0, 1e+20, nan.
std::string python_real(double value);

/// How json.dumps is to write a value.
struct JsonStyle {
    bool escapes_all = false;  // what is not ASCII
    bool sorts_keys = false;
    bool is_indented = false;  // a line for each element
    std::string indent;        // of one level
    std::string item_separator = ", ", key_separator = ": ";
};

/// Adds Python's json.dumps() of a value; fails for those that it has no form for.
void print_json(TextBuilder& out, const Value& value, const JsonStyle& style);

}  // namespace qwend::jinja
