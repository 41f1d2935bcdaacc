#pragma once

#include <string_view>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// Parses a grammar of `name ::= ...` rules: llama.cpp's GBNF and XGrammar's EBNF, of which each
/// allows a little that the other does not. The grammar's root is the rule named "root". White
/// space, ends of lines and comments (`#`) are the same between two parts of a rule, which ends
/// where a line begins with `name ::=`.
/// Refused are what belongs to the model's vocabulary rather than to text (`<think>`, `<[id]>`,
/// `!<...>`) and XGrammar's look-ahead `(= )` and rule attributes.
/// Throws GrammarError with the line and the column.
/// Source: llama.cpp's grammars/README.md; XGrammar's documentation of its EBNF.
GrammarSyntax parse_gbnf(std::string_view text);

}  // namespace qwend::grammar
