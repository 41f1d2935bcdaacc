#pragma once

#include <cstddef>
#include <string_view>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// A regular expression of ECMA-262 with the meaning that the flag u gives it: it speaks of code
/// points, \d and \w are ASCII's, `.` is no line terminator. What Annex B forgives is forgiven
/// where it can mean but one thing, and of other dialects are read: (?P<name>…), \A, \z and \Z;
/// (?i) and
/// (?s) at the beginning, and such flags for a group, (?i-s:…).
///
/// ^ and $ are where the whole text begins and ends. Lazy quantifiers say the same texts as greedy
/// ones. Throws GrammarError for look-behind, back-references, \b, possessive quantifiers, atomic
/// groups, scripts, whatever is malformed, and what is too large.
Syntax parse_regex(std::string_view pattern);

/// The same for one of several patterns of a grammar: what their classes cost is bounded for all of
/// them together, and counted in `set_work`, which begins at 0.
Syntax parse_regex(std::string_view pattern, size_t& set_work);

/// What a quantifier may say: {0,100000}.
inline constexpr uint32_t kMaxRegexRepeat = 100'000;

}  // namespace qwend::grammar
