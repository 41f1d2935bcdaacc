#pragma once

#include <string_view>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// Parses a grammar in either notation, GBNF or Lark's. As in vLLM it is Lark's if "::=" is in no
/// line, comments aside, and a comment begins with '#' or "//", wherever that stands.
/// Throws GrammarError with the line and the column.
GrammarSyntax parse_grammar(std::string_view text);

}  // namespace qwend::grammar
