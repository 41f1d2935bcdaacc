#pragma once

#include <vector>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// These build syntax in the plainest form that says the same: a sequence in a sequence and a
/// choice in a choice are spliced, one of one is its part, and single code points to choose from
/// are one set.
Syntax one_of(CodePointSet set);
/// No text at all, the empty one neither.
Syntax nothing();
bool is_nothing(const Syntax& syntax);
Syntax sequence_of(std::vector<Syntax> parts);
Syntax choice_of(std::vector<Syntax> parts);
Syntax repeat_of(Syntax part, uint32_t min, uint32_t max);
Syntax rule_of(size_t rule);

/// A set of many ranges counts for more than one, because it takes so much memory. These recurse as
/// deep as the syntax is.
inline constexpr size_t kRangesPerNode = 8;
size_t node_count(const Syntax& syntax);
size_t depth(const Syntax& syntax);

}  // namespace qwend::grammar
