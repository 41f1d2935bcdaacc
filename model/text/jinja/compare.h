#pragma once

#include "model/text/jinja/value.h"

namespace qwend::jinja {

/// Python's ==, of values of any two types.
bool equals(Workspace& work, const Value& a, const Value& b);
/// Python's <; fails for types that have no order.
bool is_less(Workspace& work, const Value& a, const Value& b);
/// Python's `needle in haystack`.
bool contains(Workspace& work, const Value& haystack, const Value& needle);

/// An order over all values that can be a dict's key, in which keys that are one to Python are
/// equal: -1, 0, 1. Fails for those that have no hash.
int compare_keys(Workspace& work, const Value& a, const Value& b);

}  // namespace qwend::jinja
