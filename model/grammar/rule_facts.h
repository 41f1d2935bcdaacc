#pragma once

#include <cstddef>
#include <vector>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// For each rule, whether it has a text: any finite one, or the empty one. In linear time.
std::vector<bool> productive_rules(const GrammarSyntax& grammar);
std::vector<bool> nullable_rules(const GrammarSyntax& grammar);

/// Whether the syntax has the empty text, given which rules have it.
bool is_nullable(const Syntax& syntax, const std::vector<bool>& nullable_rules);

/// For each rule, the number of the circle of left calls it is in, or kNoCircle: a rule calls
/// another on the left if that may be the first in its text, before any code point. In linear time.
inline constexpr size_t kNoCircle = SIZE_MAX;
std::vector<size_t> left_circles(const GrammarSyntax& grammar, const std::vector<bool>& nullable);

}  // namespace qwend::grammar
