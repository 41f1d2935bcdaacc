#pragma once

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// What a grammar may have when its left recursion is gone.
inline constexpr size_t kMaxRewrittenNodes = 4 * kMaxSyntaxNodes;

/// The same texts in a grammar that can be entered from the left: no rule comes to itself before a
/// code point was read, be it through other rules or behind ones that were empty. What no finite
/// text can be made of is left out, and rules that the root does not come to. Its trees are at most
/// three times as deep.
///
/// A rule that calls itself on the left, a = a x | y, becomes a = y x*. Where several rules call
/// each other, what may follow b until an a is complete becomes a rule of its own ("a after b"), so
/// that the grammar grows with the square of such a circle and not with its permutations.
/// Throws GrammarError that names the rule: if the root has no finite text, or if the outcome has
/// more than kMaxRewrittenNodes.
/// Source: Moore 2000, "Removing left recursion from context-free grammars" (the left-corner
/// transform, of left-recursive rules only).
GrammarSyntax without_left_recursion(GrammarSyntax grammar);

}  // namespace qwend::grammar
