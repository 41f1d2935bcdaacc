#pragma once

#include <string_view>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// A run of ignored text has at most so many pieces. One without an end would be a way for a model
/// to go on for ever without saying anything, which they take.
inline constexpr uint32_t kMaxIgnored = 8;

/// Parses what grammars in Lark's notation have in common: rules and terminals with their marks,
/// priorities and aliases (which do not change the text), `%ignore`, and `%import common.NAME`.
/// Refused by name are templates, other imports, `%declare`, `%override` and `%extend`, and in a
/// terminal's regular expression anchors and look-around. The grammar's root is the rule "start",
/// with ignored text around it.
///
/// Ignored text may stand between any two terminals, in a run of at most kMaxIgnored pieces. Where
/// an ignored terminal is itself an endless repeat, as white space mostly is, what it repeats is
/// the piece, and kMaxIgnored^2 of them are allowed.
///
/// Unlike Lark's, these terminals are no lexer's: two that follow each other may be read in any
/// way in which the text can be divided ("12" is also INT INT).
/// Throws GrammarError with the line and the column.
/// Source: the grammar reference in Lark's documentation.
GrammarSyntax parse_lark(std::string_view text);

}  // namespace qwend::grammar
