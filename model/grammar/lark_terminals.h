#pragma once

#include <cstddef>
#include <vector>

#include "model/grammar/notation_reader.h"
#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// A rule that is a terminal of Lark, and where the text defines it.
struct LarkTerminal {
    size_t rule = 0, at = 0;
};

/// Throws where a terminal refers to itself, be it through others.
void refuse_circles(const GrammarSyntax& grammar, const std::vector<LarkTerminal>& terminals,
                    const NotationReader& reader);

/// What may stand between two terminals of a rule, where these are ignored.
Syntax ignored_run(const GrammarSyntax& grammar, std::vector<Syntax> ignored);

}  // namespace qwend::grammar
