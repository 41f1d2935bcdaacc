#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/grammar.h"

namespace qwend::grammar {

/// The texts that are what the regular expression says from their begin to their end, as
/// parse_regex() reads it. Throws GrammarError.
Grammar compile_regex(std::string_view pattern);

/// One of these texts (UTF-8), as it is. Throws GrammarError if there are none.
Grammar compile_choice(std::vector<std::string> choices);

/// The texts that the root says. No rule may be left-recursive. Throws GrammarError for assertions,
/// whose place is a regular expression, and if there is no text at all.
Grammar compile_grammar(const GrammarSyntax& syntax);

/// The same as a part of a larger grammar, whose finish() is still to be called.
NodeId add_grammar(Grammar& grammar, const GrammarSyntax& syntax);

}  // namespace qwend::grammar
