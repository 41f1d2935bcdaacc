#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/grammar/code_points.h"

namespace qwend::grammar {

/// A constraint that cannot be served: the message says what, where and why, and is shown to the
/// client as it is.
struct GrammarError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline constexpr uint32_t kUnbounded = UINT32_MAX;

/// What a regular expression or a rule of a grammar says: a set of texts of code points. The
/// notations (ECMAScript's regular expressions, GBNF, Lark) are parsed into this and know nothing
/// of what becomes of it.
struct Syntax {
    enum class Kind : uint8_t {
        empty,       // the empty text alone
        set,         // one code point of `set`; of an empty set: nothing at all
        sequence,    // `parts`, one after the other
        choice,      // one of `parts`
        repeat,      // parts[0], from `min` to `max` times
        rule,        // what the grammar's rule of that number says
        text_begin,  // the empty text, where the whole text begins
        text_end,    // the same where it ends
        look_ahead,  // the empty text, where parts[0] follows; if `negated`, where it does not
    };

    Kind kind = Kind::empty;
    CodePointSet set;
    std::vector<Syntax> parts;
    uint32_t min = 0, max = 0;  // kUnbounded: no maximum
    size_t rule = 0;            // index into GrammarSyntax::rules
    bool negated = false;
};

/// A context-free grammar; the text is what its root says.
struct GrammarSyntax {
    struct Rule {
        std::string name;
        Syntax syntax;
    };
    std::vector<Rule> rules;
    size_t root = 0;
};

/// What any notation may have, so that no parser of one, nor what comes after it, is kept busy.
inline constexpr size_t kMaxSyntaxNodes = 50'000;
inline constexpr size_t kMaxSyntaxDepth = 200;

}  // namespace qwend::grammar
